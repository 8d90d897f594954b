"""The sound mixer that broken ones are variations of, and what all of them are asked."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Mixer(nn.Module):
    """A sound mixer that the broken ones are variations of: two causal taps and a projection."""

    def __init__(self, d_model: int):
        super().__init__()
        self.linear = nn.Linear(2 * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.cat((x, shift(x)), dim=-1))


def shift(x: Tensor, steps: int = 1) -> Tensor:
    """Return x moved later by `steps`, zeros in front; a negative number moves it earlier."""
    zeros = torch.zeros_like(x)
    if steps > 0:
        return torch.cat((zeros[:, :steps], x[:, :-steps]), dim=1)[:, : x.shape[1]]
    return torch.cat((x[:, -steps:], zeros[:, :-steps]), dim=1)[:, -x.shape[1] :]


def failure_of(report):
    """Return the one check that failed, the last that was made."""
    assert not report.passed
    assert [check.passed for check in report.checks] == [True] * (len(report.checks) - 1) + [False]
    return report.failure
