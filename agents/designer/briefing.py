"""What a language model is told of a study so far: results, effects, failures, each in a few short lines."""

from __future__ import annotations

from collections.abc import Sequence

from agents.designer.vocabulary import Vocabulary
from neuramosaic.analysis.effects import component_effects
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, completed, measured
from neuramosaic.seeds import stream
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering import Constraint
from neuramosaic.steering.commands import HIGH, LOW
from neuramosaic.store.records import TrialRecord, TrialState, WritingRecord, WritingState
from neuramosaic.study import StudyConfig

BEST, WORST = 3, 1
MOST_EFFECTS = 2
MOST_FAILURES = 2
STARTS = 3
SHOWN = 80  # characters of a reason


def task_text(space: ArchitectureSpace, config: StudyConfig) -> str:
    """Return the task and the budget in a line: the same for all of a study."""
    return (
        f"{config.task}: predict the next token ({space.vocab_size} token values, sequences of"
        f" {space.sequence_length}). Every model has {config.params:,} parameters, whatever its depth, and is first"
        f" trained on {config.tokens:,} tokens."
    )


def wishes_text(constraint: Constraint | None) -> list[str]:
    """Return what a person wants of new proposals, as one sentence; nothing if nothing was asked for."""
    if constraint is None:
        return []
    steering = constraint.steering
    wishes = [f"no {part.slot} {part.name}" for part in steering.vetoed]
    wishes += [f"{slot} {' or '.join(names)} only" for slot, names in steering.pinned.items()]
    wishes += [
        f"rather {wish.value} {wish.key}" if wish.value in (LOW, HIGH) else f"rather {wish.key} {wish.value}"
        for wish in steering.wishes.values()
    ]
    return [f"The person who runs this wants: {'; '.join(wishes)}."] if wishes else []


def results_text(trials: Sequence[TrialRecord], vocabulary: Vocabulary) -> str:
    """Return the best and the worst of the first rung and the baseline, a line each, the best first."""
    first = sorted(
        (trial for trial in completed(trials) if trial.rung == 0), key=lambda trial: (measured(trial), trial.number)
    )
    if not first:
        return "none yet"
    shown = [
        trial
        for rank, trial in enumerate(first)
        if rank < BEST or rank >= len(first) - WORST or trial.source == BASELINE_SOURCE
    ]
    lines = [
        f"{measured(trial):.3f}  {vocabulary.describe_architecture(Architecture.from_json(trial.architecture))}"
        + (" (the baseline)" if trial.source == BASELINE_SOURCE else "")
        for trial in shown
    ]
    return "\n".join(lines) + (f"\n{len(first) - len(shown)} more lie between" if len(shown) < len(first) else "")


def start(trials: Sequence[TrialRecord], turn: int) -> TrialRecord | None:
    """Return the trial to start from: the best ones of the first rung in turn, so that not all proposals are alike."""
    first = [trial for trial in completed(trials) if trial.rung == 0]
    best = sorted(first, key=lambda trial: (measured(trial), trial.number))[:STARTS]
    return best[turn % len(best)] if best else None


def effects_text(trials: Sequence[TrialRecord], seed: int) -> str:
    """Return the components that go with the lowest and with the highest loss, with their intervals."""
    effects = component_effects(trials, rng=stream(seed, "designer", "effects"))
    shown = effects if len(effects) <= 2 * MOST_EFFECTS else [*effects[:MOST_EFFECTS], *effects[-MOST_EFFECTS:]]
    lines = [
        f"{item.component.partition(':')[2]} {item.difference:+.3f} ({item.low:+.3f} to {item.high:+.3f})"
        for item in shown
    ]
    return "\n".join(lines) or "too few results"


def failures_text(trials: Sequence[TrialRecord], writings: Sequence[WritingRecord], vocabulary: Vocabulary) -> str:
    """Return the newest trials that failed or repeated another, and the components that could not be verified."""
    lines = [
        f"{vocabulary.describe_architecture(Architecture.from_json(trial.architecture))}: {_short(outcome.reason)}"
        for trial in trials
        if trial.state in (TrialState.FAILED, TrialState.PRUNED) and trial.rung == 0 and (outcome := trial.outcome)
    ]
    unwritten = [failed_writing(writing) for writing in writings if writing.state is WritingState.FAILED]
    return "\n".join([*lines[-MOST_FAILURES:], *unwritten[-MOST_FAILURES:]]) or "none"


def failed_writing(writing: WritingRecord) -> str:
    """Return what became of a component that could not be verified, in a line."""
    last = writing.failures[-1] if writing.failures else {"check": "writing", "message": "no candidate"}
    return f"{writing.slot} {writing.name}: tried, could not be verified: {last['check']}: {_short(last['message'])}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
