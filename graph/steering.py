"""Steering a study from outside its process: the command line and the app check, store, list and undo commands here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from graph.control import is_running, seconds_spent
from graph.language import check_language_model
from graph.plan import recorded_space
from neuramosaic.analysis.leaderboard import BASELINE_SOURCE, leaderboard
from neuramosaic.analysis.payoff import slot_of
from neuramosaic.errors import UsageError
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering import Constraint, Steering, SteeringCommand, parse_command
from neuramosaic.steering import undo as undo_command
from neuramosaic.steering.commands import (
    SESSION_KINDS,
    Allow,
    Approve,
    Budget,
    Favour,
    Idea,
    MoreOnBest,
    Pin,
    Reject,
    Unpin,
    Veto,
)
from neuramosaic.steering.names import Names
from neuramosaic.store.commands import CommandOutcome, CommandRecord, Commands, applied, in_force
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import StudyRecord, StudyState, TrialRecord, WritingRecord, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from neuramosaic.study import StudyConfig

MOST_RUNGS = 8
"""The most fidelity levels that a study may have."""
#: Key of a writing's proposal, and what it holds where a person was to be asked.
APPROVAL, ASKED = "approval", "asked"
#: Check that a component failed which a person rejected.
REJECTED = "approval"


@dataclass(frozen=True)
class SteeringStatus:
    """How a study is steered at one moment.

    Attributes:
        steering: What is in force.
        log: All commands, oldest first, those that wait among them.
        waiting: The components that wait for a person.
        paused: Whether a process has the study and begins nothing new.
    """

    steering: Steering
    log: tuple[CommandRecord, ...]
    waiting: tuple[WritingRecord, ...]
    paused: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as programs may rely on it (`steer STUDY --json`)."""
        return {
            "in_force": {**self.steering.to_json(), "lines": self.steering.lines()},
            "paused": self.paused,
            "waiting_for_approval": [
                {
                    "card": f"c{item.number}",
                    "slot": item.slot,
                    "name": item.name,
                    "source": item.source,
                    "yaml": item.card,
                }
                for item in self.waiting
            ],
            "log": [record.to_json() for record in self.log],
        }


def steering_status(store: Store, study: str) -> SteeringStatus:
    """Return how a study is steered.

    Raises:
        NotFoundError: If there is no such study.
    """
    record = store.study(study)
    log = Commands(store).log(study)
    paused = record.state is StudyState.PAUSED and is_running(study, store.path.parent)
    return SteeringStatus(in_force(log), tuple(log), tuple(waiting_for_approval(store, study, log)), paused)


def waiting_for_approval(store: Store, study: str, log: Sequence[CommandRecord] | None = None) -> list[WritingRecord]:
    """Return the components of a study that wait for a person, by number."""
    known = Commands(store).log(study) if log is None else log
    return [writing for writing in Writings(store).of_study(study) if is_held(writing, known)]


def is_held(writing: WritingRecord, log: Sequence[CommandRecord]) -> bool:
    """Return whether a component waits for a person, by the log of its study."""
    if writing.state is not WritingState.OPEN or writing.proposal.get(APPROVAL) != ASKED:
        return False
    decided = [record.command.card for record in applied(log) if isinstance(record.command, Approve | Reject)]
    return writing.number not in decided


def read_command(store: Store, study: str, text: str) -> SteeringCommand:
    """Read a slash command with the names that the study knows.

    Raises:
        UsageError: What `parse_command` raises; names the nearest valid name.
    """
    record = store.study(study)
    return parse_command(text, Names.of(recorded_space(store, record)))


def submit(store: Store, study: str, command: SteeringCommand | str, *, by: str = "") -> CommandRecord:
    """Ask a study for something. A running one heeds it within a step; another one when it is resumed.

    Args:
        store: Store of the workspace.
        study: Id of the study.
        command: The command, or its text.
        by: Who asks, for the log.

    Returns:
        The command as it waits.

    Raises:
        UsageError: If it cannot be done; nothing is stored then.
    """
    asked = read_command(store, study, command) if isinstance(command, str) else command
    check(store, study, asked)
    return Commands(store).push(study, asked, by=by)


def undo(store: Store, study: str, command: int, *, by: str = "") -> list[CommandRecord]:
    """Ask for what was in force before a command, for what that command touched; one that still waits is withdrawn.

    Raises:
        NotFoundError: If the study has no such command.
        UsageError: If it cannot be undone, or there is nothing to undo.
    """
    commands = Commands(store)
    record = commands.get(study, command)
    if record.pending:
        withdrawn = commands.finish(record, CommandOutcome.REFUSED, f"withdrawn{f' by {by}' if by else ''}")
        if withdrawn.outcome is CommandOutcome.REFUSED:
            return [withdrawn]
        record = withdrawn  # it took effect meanwhile
    if record.outcome is not CommandOutcome.APPLIED:
        raise UsageError(f"command {command} had no effect: there is nothing to undo")
    earlier = [item for item in commands.log(study) if item.id < command]
    inverse = undo_command(record.command, in_force(earlier), record.recorded)
    if not inverse:
        raise UsageError(f"command {command} changed nothing that was not so before: there is nothing to undo")
    for each in inverse:
        check(store, study, each)
    return [commands.push(study, each, by=by) for each in inverse]


def check(store: Store, study: str, command: SteeringCommand, *, expected: bool = True) -> None:
    """Check that a command can be done.

    Args:
        store: Store of the workspace.
        study: Id of the study.
        command: The command.
        expected: Whether commands that wait count as done; not so when the next of them is to take effect.

    Raises:
        UsageError: If not; says what to do in its place.
    """
    record = store.study(study)
    config = StudyConfig.from_mapping(record.config)
    log = Commands(store).log(study)
    if command.kind in SESSION_KINDS:
        _check_session(store, record, command, log)
        return
    if config.llm == "replay":
        raise UsageError(f"study {study} repeats {config.replay}: it can be paused and stopped, and not be steered")
    hours_only = isinstance(command, Budget) and set(command.changes()) == {"max_hours"}
    if config.comparison is not None and not hours_only:
        raise UsageError(
            f"study {study} compares one component with the baseline: there is nothing to steer but its hours"
        )
    done = in_force(log)
    if expected:
        for item in log:
            if item.pending and not isinstance(item.command, MoreOnBest):
                done = done.then(item.command)
    match command:
        case Veto() | Allow() | Pin() | Unpin() | Favour():
            _check_wish(recorded_space(store, record), done, command)
        case Budget():
            _check_budget(store, record, config, command)
        case MoreOnBest():
            best_to_promote(store.trials(study), Constraint(recorded_space(store, record), done), done)
        case Approve() | Reject():
            waiting = waiting_for_approval(store, study, log)
            if command.card not in {writing.number for writing in waiting}:
                known = ", ".join(f"c{item.number} ({item.slot} {item.name})" for item in waiting) or "none waits"
                raise UsageError(f"no component c{command.card} waits for approval: {known}")
        case Idea():
            if config.llm == "none":
                raise UsageError(f"an idea needs a language model, and study {study} has none: start one with --llm")
            if not any(character.isalpha() for character in command.text):
                raise UsageError(
                    "an idea is a sentence, such as 'attention whose keys are sharpened by a learned power'"
                )
        case _:
            pass


def _check_session(store: Store, record: StudyRecord, command: SteeringCommand, log: Sequence[CommandRecord]) -> None:
    if not is_running(record.id, store.path.parent):
        raise UsageError(f"study {record.id} is not running: 'neuramosaic resume {record.id}' goes on with it")
    asked = [item.command.kind for item in log if item.pending and item.command.kind in SESSION_KINDS]
    paused = asked[-1] == "pause" if asked else record.state is StudyState.PAUSED
    if command.kind == "pause" and paused:
        raise UsageError(f"study {record.id} is paused already: '/resume' goes on")
    if command.kind == "resume" and not paused:
        raise UsageError(f"study {record.id} is not paused")


def _check_wish(space: ArchitectureSpace, done: Steering, command: SteeringCommand) -> None:
    Names.of(space).check(command)
    match command:
        case Allow():
            missing = [str(part) for part in command.parts if part not in done.vetoed]
            if missing:
                raise UsageError(f"{', '.join(missing)} is not vetoed: there is nothing to allow")
        case Unpin():
            free = [str(slot) for slot in command.slots if slot not in done.pinned]
            if free:
                raise UsageError(f"the {', '.join(free)} is not pinned: there is nothing to unpin")
        case Pin():
            vetoed = [str(part) for part in command.parts if part in done.vetoed]
            if vetoed:
                raise UsageError(f"{', '.join(vetoed)} is vetoed: '/allow {' '.join(vetoed)}' first")
        case _:
            pass
    Constraint(space, done.then(command)).check()


def _check_budget(store: Store, record: StudyRecord, config: StudyConfig, command: Budget) -> None:
    changes = command.changes()
    llm = [name for name in ("max_llm_tokens", "max_usd") if changes.get(name) is not None]
    if llm and config.llm == "none":
        raise UsageError(f"study {record.id} has no language model: only its trials and hours can be limited")
    spent = Ledger(store).spent(record.id)
    events = store.events(record.id)
    hours = seconds_spent(events) / 3600
    if events and record.state is StudyState.RUNNING and is_running(record.id, store.path.parent):
        hours += max(0.0, (datetime.now(UTC) - datetime.fromisoformat(events[-1].time)).total_seconds()) / 3600
    used = {
        "trials": (
            sum(slot_of(trial) is not None for trial in counted(config, store.trials(record.id))),
            "architectures",
        ),
        "max_hours": (hours, "hours"),
        "max_llm_tokens": (spent.tokens, "tokens"),
        "max_usd": (spent.usd, "USD"),
    }
    for name, value in changes.items():
        had, unit = used[name]
        if value is not None and value < had:
            said = f"{had:,.3g}" if isinstance(had, float) else f"{had:,}"
            raise UsageError(f"{said} {unit} are used already: that is the least that the limit can be")
    if changes.get("max_usd") is not None:  # a cap that the model's price is not known for cannot be kept
        check_language_model(StudyConfig.from_mapping({**config.to_json(), **changes}))


def counted(config: StudyConfig, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that use up the budget: all but those that computed the same function as another."""
    spared = [trial.id for trial in trials if trial.outcome and trial.outcome.duplicate_of][: config.trials]
    return [trial for trial in trials if trial.id not in spared]


def best_to_promote(trials: Sequence[TrialRecord], constraint: Constraint, steering: Steering) -> TrialRecord:
    """Return the trial that `more-on-best` trains for longer: the best at the most tokens that was not promoted yet.

    The baseline does not count: it follows by itself.

    Raises:
        UsageError: If there is none.
    """
    promoted = {trial.parent for trial in trials if trial.parent}
    for row in leaderboard(trials):
        trial = row.trial
        if trial.source == BASELINE_SOURCE or trial.id in promoted or trial.number in steering.promoted:
            continue
        if not constraint.holds(Architecture.from_json(trial.architecture)):
            continue
        if trial.rung + 1 >= MOST_RUNGS:
            raise UsageError(f"trial {trial.number} is the best and stands on the last of {MOST_RUNGS} rungs already")
        return trial
    raise UsageError("no trial but the baseline has completed that was not promoted yet: ask again later")
