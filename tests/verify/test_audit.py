"""The audit of a trained model: honest ones pass, trained or not; one that sees the future does not."""

import torch
from torch import nn

from neuramosaic.training.data import Batch
from neuramosaic.verify.audit import audit

V, T = 16, 32


class Model(nn.Module):
    """Predicts, with the confidence `gain`, that a token repeats the one that stands `ahead` positions after it."""

    def __init__(self, gain=5.0, ahead=0):
        super().__init__()
        self.gain, self.ahead = gain, ahead

    def forward(self, tokens):
        seen = torch.roll(tokens, -self.ahead, dims=1)
        return self.gain * nn.functional.one_hot(seen, V).float()


class FutureMean(nn.Module):
    """Shifts all logits of a sequence by its last token: no single target is seen, the past changes all the same."""

    def forward(self, tokens):
        return nn.functional.one_hot(tokens[:, -1:].expand_as(tokens), V).float()


def batch():
    tokens = torch.randint(V, (6, T + 1), generator=torch.Generator().manual_seed(1))
    return Batch(tokens[:, :-1], tokens[:, 1:], None)


def failures(model, seed=0):
    report = audit(model, batch(), V, seed=seed)
    assert [check.name for check in report.checks] == ["audit_leak", "audit_canary"]
    return {check.name: check.message for check in report.checks if not check.passed}


def test_honest_models_pass_whatever_the_seed():
    for seed in range(200):
        assert not failures(Model(gain=0.01), seed), seed
        assert not failures(Model(gain=5.0), seed), seed


def test_a_model_that_sees_its_target_fails_both():
    found = failures(Model(ahead=1))
    assert "sees the future" in found["audit_leak"]
    assert "their entropy is 2.773" in found["audit_canary"]


def test_a_weak_leak_is_found_too():
    assert set(failures(Model(gain=0.5, ahead=1))) == {"audit_leak", "audit_canary"}


def test_a_leak_that_predicts_nothing_is_found_by_the_change_of_the_past():
    assert set(failures(FutureMean())) == {"audit_leak"}


def test_the_model_goes_back_to_its_mode():
    model = Model().train()
    audit(model, batch(), V, seed=0)
    assert model.training
