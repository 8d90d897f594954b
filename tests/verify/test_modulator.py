"""Modulators by themselves: the probe block holds, a sound one passes, each broken one fails at its rung."""

import pytest
import torch
from torch import nn

from neuramosaic.components.modulators.top_down import TopDown
from neuramosaic.verify.growth import exponents
from neuramosaic.verify.ladder import verify_component
from neuramosaic.verify.modulator import ModulatorSubject, ProbeBlock


class Gated(nn.Module):
    """A sound modulator that the broken ones are variations of: a gate on what the block adds."""

    def __init__(self, d_model, block):
        super().__init__()
        self.block = block
        self.gate = nn.Linear(d_model, d_model)

    def forward(self, x):
        return x + self.gate(x).sigmoid() * (self.block(x) - x)


class IgnoresTheBlock(Gated):
    def forward(self, x):
        return x + self.gate(x)


class DropsWhatTheBlockSays(Gated):
    def forward(self, x):
        return x + self.gate(x) + 0.0 * self.block(x)


class HidesTheBlock(Gated):
    def __init__(self, d_model, block):
        super().__init__(d_model, nn.Identity())
        self.held = [block]

    def forward(self, x):
        return x + self.gate(x).sigmoid() * (self.held[0](x) - x)


class CallsItsArgumentOtherwise(Gated):
    def __init__(self, d_model, inner):
        super().__init__(d_model, inner)


class LooksAhead(Gated):
    def forward(self, x):
        return super().forward(x + 0.1 * x.mean(dim=1, keepdim=True))


class SharesASummaryOfTheBatch(Gated):
    def forward(self, x):
        return super().forward(x - x.mean(dim=0, keepdim=True)) + x


class FreezesTheBlock(Gated):
    def forward(self, x):
        with torch.no_grad():
            inner = self.block(x)
        return x + self.gate(x).sigmoid() * inner


class HasASpareParameter(Gated):
    def __init__(self, d_model, block):
        super().__init__(d_model, block)
        self.spare = nn.Parameter(torch.ones(d_model))


class ComparesAllPairs(Gated):
    def forward(self, x):
        weights = torch.ones(x.shape[1], x.shape[1]).tril()
        return super().forward(x + (weights / weights.sum(-1, keepdim=True)) @ x)


class RunsAHundredTimes(Gated):
    def forward(self, x):
        for _ in range(100):
            x = x + 0.5 * super().forward(x)
        return x


def verify(make, **options):
    report = verify_component(make, slot="modulator", seed=0, cost="linear", **options)
    return report, report.failure


@pytest.mark.parametrize(("make", "claimed"), [(TopDown, {"receptive_field": 3}), (Gated, {"receptive_field": 2})])
def test_a_sound_modulator_passes_the_whole_ladder(make, claimed):
    report, failure = verify(make, source="import torch\n", claimed=claimed)
    assert report.passed, failure
    assert [check.name for check in report.checks][-6:] == [
        "block_used",
        "gradients",
        "mixing",
        "growth",
        "properties",
        "overfits",
    ]


@pytest.mark.parametrize(
    ("broken", "rung", "message"),
    [
        (CallsItsArgumentOtherwise, "contract", "unexpected keyword argument 'block'; take the arguments that"),
        (RunsAHundredTimes, "scale", "at most 30 is sound"),
        (LooksAhead, "causal", "let position t see positions 0..t only"),
        (SharesASummaryOfTheBatch, "batch_independence", "batch dimension"),
        (IgnoresTheBlock, "block_used", "call self.block(...) in forward"),
        (DropsWhatTheBlockSays, "block_used", "let what it returns reach the output"),
        (HidesTheBlock, "block_used", "keep the block as a submodule: self.block = block"),
        (FreezesTheBlock, "gradients", "no gradient reaches block.taps.weight"),
        (HasASpareParameter, "gradients", "no gradient reaches spare"),
        (ComparesAllPairs, "growth", "declared is linear"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_modulator_fails_at_its_rung(broken, rung, message):
    report, failure = verify(broken)
    assert not report.passed
    assert failure.name == rung, failure.message
    assert message in failure.message


def test_a_claim_is_measured_around_the_block():
    _, failure = verify(TopDown, claimed={"receptive_field": 2})
    assert failure.name == "properties"
    assert "depends on the last 3 positions, the card says 2" in failure.message


def test_the_probe_block_itself_holds_everywhere_and_is_linear():
    report = verify_component(
        ProbeBlock,
        slot="mixer",
        seed=0,
        cost="linear",
        claimed={"receptive_field": 2, "recurrent_form": True},
    )
    assert report.passed, report.failure
    subject = ModulatorSubject(Gated, 32, 0, 80, mixes=True)
    assert exponents(subject)["work"] == pytest.approx(1.0, abs=0.01)


def test_parameters_are_counted_with_the_block():
    block = sum(parameter.numel() for parameter in ProbeBlock(32).parameters())
    report, failure = verify(TopDown, expected_params=block + 32 * 32)
    assert report.passed, failure
    assert verify(TopDown, expected_params=32 * 32)[1].name == "parameter_count"
