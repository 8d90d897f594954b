"""A set of broken mixers, one for each rung: each must fail at exactly its rung, and say what to change."""

import itertools

import pytest
import torch
from torch import nn

from neuramosaic.verify.ladder import verify_component

from .conftest import Mixer, failure_of, shift

_ticks = itertools.count()


class WrongShapeAtOneToken(Mixer):
    def forward(self, x):
        return super().forward(x) if x.shape[1] > 1 else super().forward(x)[:, 0]


class HalfPrecision(Mixer):
    def forward(self, x):
        return super().forward(x).half()


class NeedsDivisibleWidth(Mixer):
    def forward(self, x):
        return super().forward(x).view(*x.shape[:2], 8, -1).reshape(*x.shape[:2], 8 * (x.shape[2] // 8))


class FixedLength(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.gain = nn.Parameter(torch.ones(96, d_model))

    def forward(self, x):
        return super().forward(x) * self.gain[: x.shape[1]]


class DividesByZero(Mixer):
    def forward(self, x):
        return super().forward(x / x.norm(dim=-1, keepdim=True))


class Overflows(Mixer):
    def forward(self, x):
        return super().forward(x.exp())


class LooksAhead(Mixer):
    def forward(self, x):
        return super().forward(x) + shift(x, -1)


class LooksAheadBehindZeroGate(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.gate = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        return super().forward(x) + self.gate * x.mean(dim=1, keepdim=True)


class DependsOnLength(Mixer):
    def forward(self, x):
        return super().forward(x) / x.shape[1] ** 0.5


class BatchNormInTraining(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.norm = nn.BatchNorm1d(d_model)

    def forward(self, x):
        return self.norm(super().forward(x).transpose(1, 2)).transpose(1, 2)


class LeaksGradient(Mixer):
    def forward(self, x):
        future = shift(x, -1)
        return super().forward(x) + (future - future.detach())


class MixesSamples(Mixer):
    def forward(self, x):
        return super().forward(x - x.mean(dim=0, keepdim=True)) + x


class DropsOutInEval(Mixer):
    def forward(self, x):
        return super().forward(torch.nn.functional.dropout(x, 0.5, training=True))


class StartsFromTheClock(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        with torch.no_grad():
            self.linear.bias.fill_(0.001 * next(_ticks))


class Counts(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * self.calls


class RemembersStatistics(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.register_buffer("mean", torch.zeros(d_model))

    def forward(self, x):
        y = super().forward(x) + self.mean
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * x.detach().mean(dim=(0, 1))
        return y


class UnusedParameter(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.spare = nn.Parameter(torch.ones(d_model))


class FrozenParameter(Mixer):
    def __init__(self, d_model):
        super().__init__(d_model)
        self.linear.bias.requires_grad_(False)


class DetachesInput(Mixer):
    def forward(self, x):
        return super().forward(x.detach())


class NoMixing(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.linear = nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.linear(x)


class TwoBack(Mixer):
    def forward(self, x):
        return self.linear(torch.cat((x, shift(x, 2)), dim=-1))


class Whispers(Mixer):
    def forward(self, x):
        return 1e-9 * super().forward(x)


class DrownsItsSignal(Mixer):
    def forward(self, x):
        return 1.0 + 1e-5 * super().forward(x)


class Shouts(Mixer):
    def forward(self, x):
        return 100 * super().forward(x)


class GrowsWithPosition(Mixer):
    def forward(self, x):
        return super().forward(x) * 1.02 ** torch.arange(x.shape[1])[:, None]


class FadesWithPosition(Mixer):
    def forward(self, x):
        return super().forward(x) * 0.98 ** torch.arange(x.shape[1])[:, None]


class ComparesAllPairs(Mixer):
    def forward(self, x):
        weights = torch.ones(x.shape[1], x.shape[1]).tril()
        return super().forward((weights / weights.sum(-1, keepdim=True)) @ x + x)


class LoopsOverPairs(Mixer):
    def forward(self, x):
        offset = torch.zeros(())
        for _ in range(x.shape[1] ** 2 // 1024):
            offset = offset + 0.0
        return super().forward(x) + offset


class StartsAtZero(Mixer):
    """Sound: an output projection that begins at zero."""

    def __init__(self, d_model):
        super().__init__(d_model)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)


class Raises(Mixer):
    def forward(self, x):
        raise IndexError("no such row")


BROKEN = [
    (Raises, "contract", "IndexError at test_broken_mixers.py"),
    (WrongShapeAtOneToken, "contract", "B=1, T=1 the output has shape (1, 32); it must be (1, 1, 32)"),
    (HalfPrecision, "contract", "keep it float32"),
    (NeedsDivisibleWidth, "contract", "shape '[2, 80, 8, -1]' is invalid"),
    (FixedLength, "contract", "RuntimeError"),
    (DividesByZero, "finite", "an input of zeros gives NaN"),
    (Overflows, "finite", "an input of size 100"),
    (LooksAhead, "causal", "let position t see positions 0..t only"),
    (LooksAheadBehindZeroGate, "causal", "let position t see positions 0..t only"),
    (DependsOnLength, "causal", "depend on the length"),
    (BatchNormInTraining, "causal", "training mode"),
    (LeaksGradient, "causal_gradient", "which comes after it"),
    (MixesSamples, "batch_independence", "batch dimension"),
    (DropsOutInEval, "determinism", "no randomness when self.training is False"),
    (StartsFromTheClock, "determinism", "linear.bias starts differently"),
    (Counts, "stateless", "keep no state"),
    (RemembersStatistics, "stateless", "no running statistics"),
    (UnusedParameter, "gradients", "no gradient reaches spare"),
    (FrozenParameter, "gradients", "linear.bias is frozen"),
    (DetachesInput, "gradients", "reaches the input"),
    (NoMixing, "mixing", "does not depend on the input at position 0"),
    (TwoBack, "mixing", "from each token to the next"),
    (Whispers, "scale", "start weights at 1/sqrt(fan-in)"),
    (Shouts, "scale", "at most 30 is sound"),
    (GrowsWithPosition, "longer", "grows to"),
    (FadesWithPosition, "longer", "shrinks to"),
    (ComparesAllPairs, "growth", "work grows as T^1."),
    (LoopsOverPairs, "growth", "the number of kernel calls grows as T^1."),
    (DrownsItsSignal, "overfits", "scale near 1"),
]


def test_the_sound_mixer_passes():
    report = verify_component(
        Mixer,
        slot="mixer",
        seed=0,
        expected_params=32 * 64 + 32,
        source="import torch\n",
        cost="linear",
        claimed={"receptive_field": 2},
    )
    assert report.passed, report.failure
    assert [check.name for check in report.checks] == [
        "import_allow_list",
        "contract",
        "finite",
        "scale",
        "causal",
        "causal_gradient",
        "batch_independence",
        "determinism",
        "stateless",
        "longer",
        "gradients",
        "mixing",
        "parameter_count",
        "growth",
        "properties",
        "overfits",
    ]


@pytest.mark.parametrize(("broken", "rung", "message"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_mixer_fails_at_its_rung(broken, rung, message):
    failure = failure_of(verify_component(broken, slot="mixer", seed=0, cost="linear"))
    assert failure.name == rung, failure.message
    assert message in failure.message
    assert "\n" not in failure.message


def test_an_output_that_starts_at_zero_is_sound():
    report = verify_component(StartsAtZero, slot="mixer", seed=0)
    assert [check.name for check in report.checks if check.name == "scale" and check.passed]


def test_a_declared_square_may_be_one():
    report = verify_component(ComparesAllPairs, slot="mixer", seed=0, cost="quadratic")
    assert "growth" in [check.name for check in report.checks if check.passed]


def test_wrong_parameter_count_fails_at_its_rung():
    failure = failure_of(verify_component(Mixer, slot="mixer", seed=0, expected_params=7))
    assert failure.name == "parameter_count"
    assert "2080 parameters instead of 7" in failure.message


def test_channels_need_not_mix():
    report = verify_component(NoMixing, slot="channel", seed=0)
    assert report.passed, report.failure
    assert "mixing" not in [check.name for check in report.checks]
