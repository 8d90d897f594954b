"""What each source of proposals was given, and what came of it.

A source competes for slots: new architectures at the first rung. What a trial's record keeps of its proposal
(`TrialRecord.proposal`, all optional): `slot`, the source that the slot was given to, where that is not the trial's
source; `why`; `predicted_loss`; `papers`, the ids of those that it goes back to; `writing`, the writing of the
component that it tries; `tokens_in` and `tokens_out` of the language model's calls for it; `refused`, the reason if the
language model was asked first and brought nothing usable (the slot then fell to another source); `card_refused`, the
reason if it was asked for a component and brought none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, completed
from neuramosaic.search.bandit import Play, rank_payoff
from neuramosaic.store.records import TrialRecord, TrialState

LLM = "llm"
"""Name of the language model as a source."""

CALL_FLOPS = (1e8, 1.5e9)
"""What a token, in and out, of a call counts as: about the floating-point operations of training that the same
processor does in that time. Orders of magnitude, for a local model of 1.5 B parameters on two cores: 11 ms for a token
of a prompt, most of which come from the cache, 36 ms for one of an answer, against some 1e10 operations per second and
core in training. Constants, and not measured in a run, so that a replay decides as the run did; a remote model is held
to the same."""


@dataclass(frozen=True)
class SourceShare:
    """What a source was given, and what came of it.

    Attributes:
        source: Its name.
        slots: New architectures that were proposed by it.
        share: Its part of all slots, in [0, 1].
        states: Its trials at the first rung by state.
        best: Lowest val loss of these, nats per token; None if none completed.
        payoff: Mean of `rank_payoff` of the plays that ended, in [0, 1]; None if none did.
        cost: Mean cost of its plays relative to that of all sources; None if not known.
    """

    source: str
    slots: int
    share: float
    states: dict[str, int]
    best: float | None
    payoff: float | None
    cost: float | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return dict(vars(self))


def slot_of(trial: TrialRecord) -> str | None:
    """Return the source that a trial's slot was given to; None for the baseline and for promoted trials."""
    if trial.rung != 0 or trial.parent is not None or trial.source == BASELINE_SOURCE:
        return None
    return str(trial.proposal.get("slot", trial.source))


def plays(trials: Sequence[TrialRecord]) -> list[Play]:
    """Return what the bandit is to know of a study's trials, in the order in which they were proposed.

    A trial pays off by its rank among all that completed at its fidelity, the baseline included; a failed one, one that
    computed the same function as another, and a turn of the language model that brought no trial, bring nothing. A
    trial costs its training, and what the calls for it cost. One that was not trained says nothing of what its source
    costs: that it was cheap is no merit.

    Args:
        trials: Trials of one study, in any order and state.
    """
    made: list[Play] = []
    first = [trial for trial in completed(trials) if trial.rung == 0]
    for trial in sorted(trials, key=lambda trial: trial.number):
        slot = slot_of(trial)
        if slot is None:
            continue
        if "refused" in trial.proposal:
            made.append(Play(LLM, 0.0))
        if not trial.state.finished or trial.outcome is None:
            made.append(Play(slot))
            continue
        training = trial.outcome.cost_flops
        cost = training + (_calls_flops(trial) if slot == LLM else 0.0) if training is not None else None
        made.append(Play(slot, _payoff(trial, first), cost))
    return made


def source_shares(trials: Sequence[TrialRecord]) -> list[SourceShare]:
    """Return what each source was given and what came of it, the one with the most slots first."""
    played = plays(trials)
    costs = [play.cost for play in played if play.cost is not None]
    usual = float(np.mean(costs)) if costs else 0.0
    slots = [(trial, slot_of(trial)) for trial in trials if slot_of(trial) is not None]
    shares = []
    for source in {play.arm for play in played}:
        own = [trial for trial, slot in slots if slot == source]
        payoffs = [play.payoff for play in played if play.arm == source and play.payoff is not None]
        cost = [play.cost for play in played if play.arm == source and play.cost is not None]
        shares.append(
            SourceShare(
                source=source,
                slots=len(own),
                share=len(own) / len(slots),
                states=dict(Counter(str(trial.state) for trial in own)),
                best=min((trial.val_loss for trial in own if trial.val_loss is not None), default=None),
                payoff=float(np.mean(payoffs)) if payoffs else None,
                cost=float(np.mean(cost)) / usual if cost and usual else None,
            )
        )
    return sorted(shares, key=lambda share: (-share.slots, share.source))


def _payoff(trial: TrialRecord, first: Sequence[TrialRecord]) -> float:
    if trial.state is not TrialState.COMPLETE or trial.val_loss is None:
        return 0.0
    others = [
        other.val_loss
        for other in first
        if other.id != trial.id and other.fidelity_tokens == trial.fidelity_tokens and other.val_loss is not None
    ]
    return rank_payoff(trial.val_loss, others)


def _calls_flops(trial: TrialRecord) -> float:
    tokens = (trial.proposal.get("tokens_in", 0), trial.proposal.get("tokens_out", 0))
    return float(sum(count * flops for count, flops in zip(tokens, CALL_FLOPS, strict=True)))
