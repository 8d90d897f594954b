"""What to look for: from a study's task, its failures and what goes with a lower or a higher loss."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from neuramosaic.analysis.effects import component_effects
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, completed, measured
from neuramosaic.components.spec import Slot
from neuramosaic.seeds import stream
from neuramosaic.store.records import TrialRecord, TrialState

MOST_QUERIES = 4
LONG = 256  # tokens of a sequence from which on the past is long for models of this size
ENOUGH = 4  # completed trials from which on something is said of all of them
OVERFITTED = 0.7  # training loss below this part of the validation loss
#: What a failed trial's reason looks like, and what that is, in the words of the knowledge base.
FAILURES = (
    (r"diverge|not finite|non-finite|\bnan\b|\binf\b", "training diverges at high learning rate"),
    (r"memory", "runs out of memory with length"),
    (r"time|wall|too long", "slow per token"),
)
#: What the tasks ask of a model. A task that is not named here is text.
TASKS = {
    "recall": ("loss on recall stays high", "copying from earlier in the context fails"),
    "python-code": ("local syntax is learned slowly", "copying from earlier in the context fails"),
}
TEXT = ("local syntax is learned slowly", "loss is above the baseline on text")


@dataclass(frozen=True)
class Situation:
    """Where a study stands.

    Attributes:
        study: Its id.
        task: Name of its task.
        sequence_length: T.
        seed: Seed of the study.
        trials: The trials that finished so far, and no others, so that the same ones lead to the same brief.
    """

    study: str
    task: str
    sequence_length: int
    seed: int
    trials: Sequence[TrialRecord] = ()


@dataclass(frozen=True)
class Query:
    """Something to look for.

    Attributes:
        symptom: What was observed, for people.
        words: What is searched for.
        slot: Only what fills this slot counts; None if all does.
        without: A component that is not an answer, as `slot:name`.
    """

    symptom: str
    words: str
    slot: Slot | None = None
    without: str = ""


def queries_of(situation: Situation) -> tuple[Query, ...]:
    """Return what to look for, the most pressing first: failures, overfitting, the task, effects, the length."""
    trials = sorted(situation.trials, key=lambda trial: trial.number)
    found = [*_failures(trials), *_standing(trials)]
    tasks = [Query(symptom, symptom) for symptom in TASKS.get(situation.task, TEXT)]
    length = [Query("loss flat with longer context", "loss flat with longer context, time grows quadratically")]
    effects = _effects(trials, situation)
    # The task's first need is always looked for; its second makes room for what was observed.
    wanted = [*found[: MOST_QUERIES - 2], tasks[0], *effects, *tasks[1:]]
    if situation.sequence_length >= LONG:
        wanted += length
    return tuple(dict.fromkeys(wanted))[:MOST_QUERIES]


def _failures(trials: Sequence[TrialRecord]) -> list[Query]:
    """Return what trials failed of, the most frequent first."""
    reasons = [
        trial.outcome.reason.lower()
        for trial in trials
        if trial.state is TrialState.FAILED and trial.outcome is not None
    ]
    counted: dict[str, int] = {}
    for reason in reasons:
        for pattern, symptom in FAILURES:
            if re.search(pattern, reason):
                counted[symptom] = counted.get(symptom, 0) + 1
                break
    return [Query(symptom, symptom) for symptom in sorted(counted, key=lambda symptom: -counted[symptom])]


def _standing(trials: Sequence[TrialRecord]) -> list[Query]:
    done = completed(trials)
    if len(done) < ENOUGH:
        return []
    found = []
    pairs = [(trial.outcome.metrics.get("train_loss"), measured(trial)) for trial in done if trial.outcome is not None]
    known = [(train, val) for train, val in pairs if train is not None and val > 0]
    if known and sum(train < OVERFITTED * val for train, val in known) * 2 > len(known):
        words = "overfits small data, training loss far below validation loss"
        found.append(Query("training loss far below validation loss", words))
    first = [trial for trial in done if trial.rung == 0]
    if first and min(first, key=lambda trial: (measured(trial), trial.number)).source == BASELINE_SOURCE:
        found.append(
            Query("nothing beats the baseline yet", "no gain from more depth, loss is above the baseline on text")
        )
    return found


def _effects(trials: Sequence[TrialRecord], situation: Situation) -> list[Query]:
    """Return what to try beside the component that clearly helps, and in the place of the one that clearly harms."""
    effects = component_effects(trials, rng=stream(situation.seed, "literature", "effects"))
    found = []
    if effects and effects[0].high < 0:
        slot, _, name = effects[0].component.partition(":")
        words = f"{name.replace('_', ' ')} {_need(situation)}"
        found.append(Query(f"{name} lowers the loss: its kin", words, Slot(slot)))
    if effects and effects[-1].low > 0:
        slot, _, name = effects[-1].component.partition(":")
        found.append(Query(f"instead of {name}", _need(situation), Slot(slot), effects[-1].component))
    return found


def _need(situation: Situation) -> str:
    return ", ".join(TASKS.get(situation.task, TEXT))
