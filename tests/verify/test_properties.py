"""Each property of a card is confirmed where it holds and refuted where it does not."""

import pytest
import torch
from torch import nn

from neuramosaic.components.mixers.attention import Attention
from neuramosaic.components.mixers.gated_conv import GatedConv
from neuramosaic.components.mixers.recurrence import Recurrence
from neuramosaic.verify.properties import properties
from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import ComponentSubject


def running_mean(d_model):
    class RunningMean(nn.Module):
        """A set of the past, and linear in T: every position counts the same."""

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(d_model, d_model)

        def forward(self, x):
            count = torch.arange(1, x.shape[1] + 1)[:, None]
            return self.linear(x) + self.linear(x.cumsum(1) / count)

    return RunningMean()


def conv(d_model):
    return GatedConv(d_model, kernel=4)


def token_shift(d_model):
    return GatedConv(d_model, kernel=2)


def check(make, **claimed):
    properties(ComponentSubject(make, 32, 0, 80, mixes=True), claimed)


@pytest.mark.parametrize(
    ("make", "claimed"),
    [
        (conv, {"receptive_field": 4, "position_sensitive": True, "recurrent_form": True}),
        (Recurrence, {"position_sensitive": True, "recurrent_form": True, "decay_of_influence": True}),
        (running_mean, {"position_sensitive": False, "recurrent_form": True, "decay_of_influence": False}),
        (Attention, {"position_sensitive": False}),
        (token_shift, {"receptive_field": 2, "position_sensitive": True}),  # the least past that has an order
    ],
)
def test_what_holds_is_confirmed(make, claimed):
    check(make, **claimed)


@pytest.mark.parametrize(
    ("make", "claimed", "message"),
    [
        (conv, {"receptive_field": 3}, "depends on the last 4 positions, the card says 3"),
        (conv, {"receptive_field": 5}, "depends on the last 4 positions, the card says 5"),
        (running_mean, {"receptive_field": 4}, "at least 12"),
        (conv, {"position_sensitive": False}, "treat the positions before t as a set"),
        (Attention, {"position_sensitive": True}, "let the order of positions enter"),
        (Attention, {"recurrent_form": True}, "carry a state from chunk to chunk"),
        (running_mean, {"decay_of_influence": True}, "let the influence fall below 0.5"),
        (Recurrence, {"decay_of_influence": False}, "correct the card, or the decay"),
    ],
)
def test_what_does_not_hold_is_refuted(make, claimed, message):
    with pytest.raises(CheckFailed) as failure:
        check(make, **claimed)
    assert message in str(failure.value)
    assert str(failure.value).startswith(next(iter(claimed)))
