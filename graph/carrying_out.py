"""Carrying out, within a session, what a person asks of the study: each command once, at a place that is kept.

What a command changes is a function of the log, and the log says after how many trials and proposals each took effect.
So a session that goes on after a kill proposes what the killed one would have, and a replay repeats the commands where
they were.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from agents.card_maker import CardMaker
from agents.designer.designer import IDEA, PAPER
from agents.llm.base import BudgetSpentError
from graph.control import GOES_ON, PAUSED
from graph.lab import Lab
from graph.reading_along import TakenIn
from graph.steering import APPROVAL, ASKED, MOST_RUNGS, REJECTED, best_to_promote, check, is_held, waiting_for_approval
from neuramosaic.components.card import Card
from neuramosaic.errors import NeuraMosaicError, UsageError
from neuramosaic.steering import Constraint, describe
from neuramosaic.steering.commands import SESSION_KINDS, Approve, Budget, Idea, Ingest, MoreOnBest, Reject
from neuramosaic.steering.force import AFTER, BEFORE, PROMOTES
from neuramosaic.store.commands import CommandOutcome, CommandRecord, Commands, applied
from neuramosaic.store.records import StudyState, WritingRecord, WritingState
from neuramosaic.store.writings import card_id
from neuramosaic.study import StudyConfig

STEERING = "steering"
"""Kind of the journal's entries that say what a person asked for."""
#: What is recorded of a command that read papers: the cards of what they describe.
CARDS = "cards"
#: What the writing of such a card keeps: the command that asked for it.
COMMAND = "command"
#: How often a session that waits for a person looks for one, in seconds.
POLL_S = 0.25


def heed_session(lab: Lab) -> tuple[bool, bool]:
    """Heed what was asked of the session itself: to pause, to go on, to stop.

    Returns:
        Whether it is to stop; the command is then still to be finished, with `finish_stop`. And whether it goes on
        after a pause.
    """
    resumed = False
    for pending in lab.store.pending_commands(lab.study):
        if pending.kind == "stop":
            return True, resumed
        if pending.kind == "pause":
            lab.paused, resumed = True, False
            lab.store.set_study_state(lab.study, StudyState.PAUSED, pid=os.getpid())
            _finish_session(lab, pending.id, PAUSED, "what runs finishes, nothing new begins")
        elif pending.kind == "resume":
            lab.paused, resumed = False, True
            lab.store.set_study_state(lab.study, StudyState.RUNNING, pid=os.getpid())
            _finish_session(lab, pending.id, GOES_ON, "the study goes on")
            lab.set_deadline()
    return False, resumed


def finish_stop(lab: Lab) -> None:
    """Record that the session stops, as it was asked to."""
    for pending in lab.store.pending_commands(lab.study):
        if pending.kind == "stop":
            commands = Commands(lab.store)
            commands.finish(commands.get(lab.study, pending.id), CommandOutcome.APPLIED, "the study stops")


def _finish_session(lab: Lab, command: int, kind: str, effect: str) -> None:
    commands = Commands(lab.store)
    record = commands.finish(commands.get(lab.study, command), CommandOutcome.APPLIED, effect)
    lab.store.add_event(lab.study, "session", kind, f"{_who(record)}: {effect}")


def carry_out(lab: Lab, *, asking: bool) -> bool:
    """Let the commands that wait take effect, oldest first.

    Args:
        lab: The study.
        asking: Whether there is time for what takes some: asking a language model, reading papers. Without it, the
            first command of that sort is left, and all after it.

    Returns:
        Whether anything took effect.
    """
    changed = False
    while True:
        _repeat(lab)
        waiting = [item for item in Commands(lab.store).pending(lab.study) if item.command.kind not in SESSION_KINDS]
        if not waiting or (not asking and isinstance(waiting[0].command, Idea | Ingest)):
            return changed
        changed |= _carry_out(lab, waiting[0])


def asks_wait(lab: Lab) -> bool:
    """Return whether a command waits that only `carry_out` with `asking` lets take effect."""
    return any(isinstance(record.command, Idea | Ingest) for record in Commands(lab.store).pending(lab.study))


def held(lab: Lab) -> list[WritingRecord]:
    """Return the components that wait for a person; in a replay without those that the study left so."""
    return waiting_for_approval(lab.store, lab.study)


def to_be_written(lab: Lab, writings: list[WritingRecord]) -> list[WritingRecord]:
    """Return the writings that are not finished and wait for nobody, in a replay without those left unfinished."""
    log = Commands(lab.store).log(lab.study)
    return [
        writing
        for writing in writings
        if writing.state is WritingState.OPEN
        and not is_held(writing, log)
        and not (lab.schedule and lab.schedule.left_open(writing.number))
    ]


def asked_first(lab: Lab, proposal: dict[str, Any]) -> dict[str, Any]:
    """Return what a writing's record keeps of its proposal: with approval on, that a person is to be asked."""
    return {**proposal, APPROVAL: ASKED} if lab.steering.approval else proposal


def approval_line(lab: Lab, number: int) -> str:
    """Return how a person decides on a component, for the journal; empty if nobody is asked."""
    return f"; it waits for approval: /approve c{number} or /reject c{number}" if lab.steering.approval else ""


def _repeat(lab: Lab) -> None:
    """In a replay, ask for what the study was asked for, once it stands where it stood then."""
    if lab.schedule is None:
        return
    commands = Commands(lab.store)
    log = [record for record in commands.log(lab.study) if record.command.kind not in SESSION_KINDS]
    if any(record.pending for record in log):
        return
    then = lab.schedule.next_command(len(log), lab.store.trials(lab.study), lab.writings.of_study(lab.study))
    if then is not None:
        commands.push(lab.study, then.command, by=then.by)


def _carry_out(lab: Lab, record: CommandRecord) -> bool:
    """Let one command take effect, or record why it cannot; return whether it did."""
    commands = Commands(lab.store)
    said = describe(record.command)
    try:
        if lab.schedule is None and not _rejected_before(lab, record):
            check(lab.store, lab.study, record.command, expected=False)
        effect, recorded, config = _effect(lab, record)
    except NeuraMosaicError as error:
        commands.finish(record, CommandOutcome.REFUSED, str(error))
        lab.store.add_event(lab.study, "person", STEERING, f"{_who(record)}: {said}: refused: {error}")
        return False
    commands.finish(
        record, CommandOutcome.APPLIED, effect, recorded, config=config.to_json() if config is not None else None
    )
    detail = f" ({effect})" if effect else ""
    lab.store.add_event(
        lab.study, "person", STEERING, f"{_who(record)}: {said}{detail}", data={"command": record.id, **recorded}
    )
    lab.steer(config)
    if config is not None:
        if lab.model is not None and lab.schedule is None:
            lab.model.budget.limit(config.max_llm_tokens, config.max_usd)
        if isinstance(record.command, Budget):
            lab.spent = ""  # whether the cap is still reached, the next call says
    return True


def _effect(lab: Lab, record: CommandRecord) -> tuple[str, dict[str, Any], StudyConfig | None]:
    """Do what a command does besides being in the log.

    Returns:
        What came of it in words, what is recorded with it, and the study's configuration if that changes.
    """
    command, config = record.command, lab.plan.config
    match command:
        case Budget():
            changes = command.changes()
            if lab.schedule is not None:  # a replay asks nobody and has its own time
                changes = {name: value for name, value in changes.items() if name == "trials"}
            return _configured(config, changes, "")
        case MoreOnBest():
            constraint = Constraint(lab.plan.space, lab.steering)
            best = best_to_promote(lab.store.trials(lab.study), constraint, lab.steering)
            rungs = max(config.rungs, min(best.rung + 2, MOST_RUNGS))
            more = f", on a new rung of {config.fidelity(best.rung + 1):,} tokens" if rungs > config.rungs else ""
            effect, recorded, changed = _configured(config, {"rungs": rungs}, f"trial {best.number} goes on{more}")
            return effect, {PROMOTES: best.number, **recorded}, changed
        case Approve():
            return f"{_name(lab, command.card)} will be written", {}, None
        case Reject():
            name = _name(lab, command.card)
            if not _rejected_before(lab, record):
                _reject(lab, record, command)
            return f"{name} will not be written", {}, None
        case Idea():
            return _take_up(lab, command.text), {}, None
        case Ingest():
            effect, recorded = _read_in(lab, record, command)
            return effect, recorded, None
        case _:
            return "", {}, None


def _configured(
    config: StudyConfig, changes: dict[str, Any], effect: str
) -> tuple[str, dict[str, Any], StudyConfig | None]:
    changed = {name: value for name, value in changes.items() if getattr(config, name) != value}
    if not changed:
        return effect, {}, None
    before = {name: getattr(config, name) for name in changed}
    words = ", ".join(f"{name} {_plain(before[name])} -> {_plain(value)}" for name, value in changed.items())
    made = StudyConfig.from_mapping({**config.to_json(), **changed})
    return "; ".join(part for part in (effect, words) if part), {BEFORE: before, AFTER: changed}, made


def _plain(value: Any) -> str:
    return "no limit" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _name(lab: Lab, number: int) -> str:
    writing = next(item for item in lab.writings.of_study(lab.study) if item.number == number)
    return f"{writing.slot} {writing.name}"


def _rejected_before(lab: Lab, record: CommandRecord) -> bool:
    """Whether a session that died has done what a rejection does."""
    if not isinstance(record.command, Reject):
        return False
    number = record.command.card
    found = [item for item in lab.writings.of_study(lab.study) if item.number == number]
    return bool(found and found[0].failures and found[0].failures[-1]["check"] == REJECTED)


def _reject(lab: Lab, record: CommandRecord, command: Reject) -> None:
    writing = next(item for item in lab.writings.of_study(lab.study) if item.number == command.card)
    message = f"rejected by {record.by or 'a person'}" + (f": {command.reason}" if command.reason else "")
    failures = ({"check": REJECTED, "message": message},)
    lab.writings.finish(replace(writing, state=WritingState.FAILED, failures=failures))


def _take_up(lab: Lab, text: str) -> str:
    """Have a card made of an idea, and ask for its component; return what came of it, in words.

    Raises:
        NeuraMosaicError: If there is no language model, its cap is reached, or no card can be made.
    """
    if lab.model is None:
        raise UsageError("an idea needs a language model: this study has none")
    writings = lab.writings.of_study(lab.study)
    mine = [writing for writing in writings if writing.source == IDEA]
    taken_up = sum(isinstance(item.command, Idea) for item in applied(Commands(lab.store).log(lab.study)))
    if len(mine) > taken_up:  # by a session that was killed before it could say so
        writing = mine[taken_up]
    else:
        place = f"{lab.study}.idea{taken_up}"
        try:
            made = CardMaker(lab.model).card(text, lab.plan.catalogue, trial=place)
        except BudgetSpentError as error:
            raise UsageError(f"{error}: raise it with '/budget'") from error
        number = max((item.number for item in writings), default=-1) + 1
        writing = lab.writings.add(
            made.card,
            source=IDEA,
            study=lab.study,
            number=number,
            proposal=asked_first(lab, {"idea": text, **made.told()}),
        )
    return f"component c{writing.number}: {writing.slot} {writing.name}{approval_line(lab, writing.number)}"


def _read_in(lab: Lab, record: CommandRecord, command: Ingest) -> tuple[str, dict[str, Any]]:
    """Read papers, and ask for the components that they describe; a replay takes their cards from the study's log.

    Returns:
        What came of it in words, and what is recorded of it.
    """
    commands = Commands(lab.store)
    if lab.schedule is not None:
        assert lab.plan.config.replay is not None
        mine = [item.id for item in commands.log(lab.study) if item.command.kind not in SESSION_KINDS]
        then = [
            item for item in applied(commands.log(lab.plan.config.replay)) if item.command.kind not in SESSION_KINDS
        ]
        told = then[mine.index(record.id)]
        taken = TakenIn(told.effect, tuple(told.recorded.get(CARDS, ())))
    elif lab.ingest is None:
        return f"noted; read it with 'neuramosaic ingest {command.ref}'", {}
    else:
        taken = lab.ingest(command.ref)
    for item in taken.cards:
        writings = lab.writings.of_study(lab.study)
        card = Card.from_yaml(item["card"])
        if any(writing.card_id == card_id(card) for writing in writings):  # also by a session that was killed here
            continue
        number = max((writing.number for writing in writings if writing.number is not None), default=-1) + 1
        proposal = asked_first(lab, {**item["proposal"], COMMAND: record.id})
        lab.writings.add(card, source=PAPER, study=lab.study, number=number, proposal=proposal)
    return taken.told, {CARDS: list(taken.cards)} if taken.cards else {}


def _who(record: CommandRecord) -> str:
    return record.by or "a person"


def wait() -> None:
    """Wait a little for a person."""
    time.sleep(POLL_S)
