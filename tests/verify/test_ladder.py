"""The ladder: what it refuses, in which order, and how broken models fail; `test_broken_mixers` has the components."""

import math
import textwrap

import pytest
import torch
from torch import nn

from neuramosaic.verify.ladder import Ladder, verify_component, verify_model

from .conftest import Mixer, failure_of, shift

HEADER = "import torch\nfrom torch import nn\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os", "line 1: import of 'os' is not allowed"),
        ("import torch\nfrom subprocess import run", "line 2: import of 'subprocess'"),
        ("from . import other", "relative import"),
        ("def f(:", "line 1: the code does not parse"),
        ("x = eval('1')", "eval() has no place"),
        ("import torch\ntorch.load('x')", "line 2: torch.load has no place"),
        ("from torch import hub", "torch.hub has no place"),
        ("import torch.utils.cpp_extension", "'torch.utils.cpp_extension' is not allowed"),
    ],
)
def test_a_forbidden_import_fails_before_any_code_runs(source, message):
    def make(_d_model):
        raise AssertionError("the code was run")

    failure = failure_of(verify_component(make, slot="mixer", seed=0, source=source))
    assert failure.name == "import_allow_list"
    assert message in failure.message


@pytest.mark.parametrize("slot", ["position", "residual"])
def test_slots_that_cannot_stand_alone_are_refused(slot):
    with pytest.raises(ValueError, match="verify a model that holds it"):
        verify_component(Mixer, slot=slot, seed=0)


def test_running_out_of_memory_is_no_verdict():
    def exhaust():
        raise MemoryError

    with pytest.raises(MemoryError):
        Ladder([("contract", exhaust)]).climb()


class TinyModel(nn.Module):
    """Embedding, one mixer with a residual path, tied head."""

    scale = 1.0

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(40, 24)
        self.mixer = Mixer(24)
        self.norm = nn.LayerNorm(24)

    def hidden(self, tokens):
        x = self.embed(tokens)
        return self.norm(x + self.mixer(x))

    def forward(self, tokens):
        return self.scale * (self.hidden(tokens) @ self.embed.weight.T)


class ReturnsTuple(TinyModel):
    def forward(self, tokens):
        return super().forward(tokens), None


class SeesTarget(TinyModel):
    def hidden(self, tokens):
        x = self.embed(tokens)
        return self.norm(x + self.mixer(x) + shift(x, -1))


class LeaksModelGradient(TinyModel):
    def hidden(self, tokens):
        x = self.embed(tokens)
        future = shift(x, -1)
        return self.norm(x + self.mixer(x) + future - future.detach())


class NeverCallsEmbed(TinyModel):
    def hidden(self, tokens):
        x = self.embed.weight[tokens]
        return self.norm(x + self.mixer(x))


class Cold(TinyModel):
    scale = 1e-9


class Unnormalised(TinyModel):
    def hidden(self, tokens):
        return super().hidden(tokens) / torch.where(tokens == 39, 0.0, 1.0)[..., None]


@pytest.mark.parametrize(
    ("broken", "rung", "message"),
    [
        (ReturnsTuple, "contract", "forward returns a tuple"),
        (Unnormalised, "finite", "NaN or infinity"),
        (SeesTarget, "causal", "let position t see"),
        (LeaksModelGradient, "causal_gradient", "which comes after it"),
        (NeverCallsEmbed, "causal_gradient", "never calls self.embed"),
        (Cold, "scale", "start weights at"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_model_fails_at_its_rung(broken, rung, message):
    failure = failure_of(verify_model(broken, vocab_size=40, sequence_length=32, seed=0))
    assert failure.name == rung, failure.message
    assert message in failure.message


def test_a_sound_model_passes_and_its_report_is_json():
    report = verify_model(TinyModel, vocab_size=40, sequence_length=32, seed=0, source=HEADER)
    assert report.passed, report.failure
    data = report.to_json()
    assert data["passed"] is True
    assert all(set(check) == {"name", "passed", "message", "seconds"} for check in data["checks"])
    assert all(math.isfinite(check["seconds"]) for check in data["checks"])


def test_verification_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    verify_model(TinyModel, vocab_size=40, sequence_length=16, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_an_error_while_the_code_is_loaded_is_told_with_its_line(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(
        textwrap.dedent("""
        import torch
        torch.zeros(2)[5]
    """)
    )

    def make():
        exec(compile(path.read_text(), str(path), "exec"), {})

    failure = failure_of(verify_model(make, vocab_size=8, sequence_length=8, seed=0, source=path.read_text()))
    assert failure.name == "contract"
    assert "model.py:3" in failure.message
