import re

import pytest
import torch
from torch import nn

from neuramosaic.training.determinism import torch_stream
from neuramosaic.verify.fingerprint import PATTERN, PROJECTIONS, find, write
from neuramosaic.verify.probe import function_of

VOCABULARY, LENGTH = 11, 20


class Model(nn.Module):
    """Embeds, averages over the last `window` tokens, gates what comes out of it, drops, reads out."""

    def __init__(self, window=LENGTH, gate=None, drop=0.0, wide=False):
        super().__init__()
        self.window = window
        self.embed = nn.Embedding(VOCABULARY, 8)
        self.mix = nn.Linear(8, 8)
        self.gate = None if gate is None else nn.Parameter(torch.full((8,), float(gate)))
        self.drop = nn.Dropout(drop)
        self.wide = wide

    def forward(self, tokens):
        x = self.embed(tokens)
        T = x.shape[1]
        age = torch.arange(T)[:, None] - torch.arange(T)
        weight = ((age >= 0) & (age < self.window)).to(x.dtype)
        mixed = (weight / weight.sum(-1, keepdim=True)) @ x
        mixed = (
            self.mix(mixed) if not self.wide else (mixed.double() @ self.mix.weight.double().T).float() + self.mix.bias
        )
        if self.gate is not None:
            mixed = mixed * self.gate
        return self.drop(x + mixed) @ self.embed.weight.T


def fingerprint(seed=0, **settings):
    with torch_stream(seed, "initialisation"):
        model = Model(**settings)
    return function_of(model, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=seed)


def test_a_setting_without_effect_or_another_order_of_sums_is_the_same_function():
    one = fingerprint()
    assert re.fullmatch(PATTERN, one)
    assert one == fingerprint()
    for same in (fingerprint(window=LENGTH + 5), fingerprint(wide=True)):
        assert find(same, {one: "study-1.4"}) == "study-1.4"


@pytest.mark.parametrize("settings", [{"window": LENGTH - 1}, {"drop": 0.1}, {"seed": 1}])
def test_another_function_is_another(settings):
    assert find(fingerprint(**settings), {fingerprint(): "study-1.4"}) is None


def test_a_gate_that_starts_at_zero_hides_nothing():
    known = {fingerprint(gate=0.0): "study-1.4"}
    assert find(fingerprint(gate=0.0, window=3), known) is None
    assert find(fingerprint(gate=0.0), known) == "study-1.4"


def test_the_model_and_the_random_state_are_left_as_they_were():
    torch.manual_seed(5)
    model = Model(drop=0.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    model.eval()
    function_of(model, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_is_not_finite_has_no_fingerprint():
    model = Model()
    nn.init.constant_(model.embed.weight, float("inf"))
    assert function_of(model, vocab_size=VOCABULARY, sequence_length=LENGTH, seed=0) is None
    assert write(1.0, [float("nan")] * PROJECTIONS) is None
    assert write(1e120, [1.0] * PROJECTIONS) is None


def test_the_tolerance_is_relative_to_the_size_of_the_logits():
    known = {write(100.0, [50.0] * PROJECTIONS): "a"}
    assert find(write(100.0, [50.0] * (PROJECTIONS - 1) + [50.009]), known) == "a"
    assert find(write(100.0, [50.0] * (PROJECTIONS - 1) + [50.02]), known) is None
    assert find(next(iter(known)).replace("f1:", "f0:"), known) is None
