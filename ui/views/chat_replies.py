"""What the app says to a message, and what it does once a person has confirmed it: kept in the conversation."""

from __future__ import annotations

from collections.abc import Sequence

from agents.conversation.answers import Answer, lines
from agents.conversation.meaning import Meaning, Question, Run, Steer, Unclear, Undo, changes_something, said, written
from agents.conversation.sentences import read_slash
from agents.conversation.situation import Situation
from agents.conversation.transcript import Entry, Transcript
from graph import conversing
from graph.bookshelf import embedder_problem
from knowledge.ideas import WordIndex, as_papers, ideas
from knowledge.papers import Hit
from neuramosaic.errors import NeuraMosaicError, UsageError
from neuramosaic.steering import SteeringCommand
from neuramosaic.steering.commands import Ingest
from neuramosaic.study import StudyConfig
from ui.forecast import forecast
from ui.ingest_runs import start_ingest
from ui.reader import Reader
from ui.views.starting import begin, usual_workers

#: Passages of an answer.
PASSAGES = 5
#: How many studies of the workspace a forecast looks back at.
EARLIER = 8


def situation(reader: Reader, study: str | None) -> Situation:
    """Return what a message is said in."""
    store = reader.store if reader.exists else None
    return conversing.situation(store, study)


def reply(reader: Reader, message: Entry, meaning: Meaning, here: Situation, *, mapped: bool = False) -> Entry:
    """Answer a message, or propose what it asks for; the reply is kept, and returned.

    Args:
        reader: Of the workspace.
        message: What was said.
        meaning: What it means.
        here: What it was said in.
        mapped: Whether a language model said what it means.
    """
    try:
        if changes_something(meaning):
            return _propose(reader, message, meaning, here, mapped)
        found = _answer(reader, message, meaning)
    except NeuraMosaicError as error:
        found = lines(_sentence(str(error)))
    data = {**found.to_json(), "mapped": written(meaning) if mapped else []}
    return Transcript(reader.workspace).add("answer", study=message.study, of=message.id, data=data)


def _answer(reader: Reader, message: Entry, meaning: Meaning) -> Answer:
    match meaning:
        case Question():
            study = message.study
            return conversing.answer(
                meaning,
                store=reader.store if reader.exists else None,
                study=study,
                trials=lambda: reader.outlines(str(study)),
                search=lambda text: _passages(reader, text),
            )
        case Unclear():
            return lines(_sentence(meaning.problem))
        case _:
            raise AssertionError(f"{meaning} is to be confirmed")


def _passages(reader: Reader, text: str) -> Sequence[Hit]:
    if not reader.exists:
        return WordIndex(as_papers(ideas()))(text, PASSAGES)
    if embedder_problem() is not None:
        return reader.library().search(text, PASSAGES, by=("words",))
    return reader.library().search(text, PASSAGES)


def _propose(reader: Reader, message: Entry, meaning: Meaning, here: Situation, mapped: bool) -> Entry:
    """Keep what is asked for until a person confirms it; what cannot be done is said now.

    Raises:
        NeuraMosaicError: If it cannot be done.
    """
    notes: list[str] = []
    told: list[str]
    match meaning:
        case Run():
            told = [*conversing.understood(meaning), *_cost(reader, meaning)]
            if meaning.options.get("sandbox") == "process":
                notes.append("The backend 'process' confines nothing: models run as you.")
            if meaning.unused:
                notes.append(f"Not understood, and without effect: {meaning.unused}")
        case Steer():
            told = [_sentence(line) for line in said(meaning)]
            steering = [item for item in meaning.commands if not _by_itself(reader, here.study, item)]
            if here.study is not None:
                conversing.check_steering(reader.store, here.study, steering)
        case _:
            assert isinstance(meaning, Undo)
            assert here.study is not None
            number = meaning.command
            meaning = Undo(conversing.last_to_undo(reader.store, here.study) if number is None else number)
            told = [_sentence(line) for line in said(meaning)]
    data = {"commands": written(meaning), "lines": told, "notes": notes, "mapped": mapped}
    return Transcript(reader.workspace).add("proposal", study=here.study, of=message.id, data=data)


def _cost(reader: Reader, run: Run) -> list[str]:
    """Return what a study is expected to take, as lines."""
    config = StudyConfig.from_mapping(run.options)
    earlier = [
        trial
        for study in reader.studies()[-EARLIER:]
        if study.config.get("task") == config.task
        for trial in reader.outlines(study.id)
    ]
    first, *rest = forecast(config, earlier, config.workers or usual_workers()).lines()
    return [f"Cost: {first}", *(f"Time: {line}" for line in rest)]


def decide(reader: Reader, proposal: Entry, *, confirmed: bool, by: str) -> str | None:
    """Carry out what was proposed, or leave it; what came of it is kept.

    Args:
        reader: Of the workspace.
        proposal: What was proposed.
        confirmed: Whether it is carried out.
        by: Who decides.

    Returns:
        The study that was started, or None.

    Raises:
        UsageError: If somebody has decided already.
    """
    transcript = Transcript(reader.workspace)
    transcript.add("decision", by=by, study=proposal.study, of=proposal.id, data={"confirmed": confirmed})
    if not confirmed:
        return None
    try:
        done = _carry_out(reader, proposal, by)
    except NeuraMosaicError as error:
        done = conversing.Done((_sentence(f"it was not done: {error}"),))
    data = {**lines(*map(_sentence, done.lines)).to_json(), "commands": list(done.commands)}
    transcript.add("answer", study=done.study or proposal.study, of=proposal.id, data=data)
    return done.study if done.study != proposal.study else None


def _carry_out(reader: Reader, proposal: Entry, by: str) -> conversing.Done:
    here = situation(reader, proposal.study)
    meanings = [read_slash(str(command), here) for command in proposal.data["commands"]]
    if isinstance(meanings[0], Run):
        reader.create()
        return conversing.start(meanings[0], reader.workspace, by=by, launcher=begin)
    if isinstance(meanings[0], Undo):
        return conversing.undo(reader.store, str(here.study), meanings[0].command, by=by)
    commands = [item for meaning in meanings if isinstance(meaning, Steer) for item in meaning.commands]
    told: list[str] = []
    alone = [item for item in commands if _by_itself(reader, here.study, item)]
    if alone:
        reader.create()
        references = [item.ref for item in alone if isinstance(item, Ingest)]
        run = start_ingest(reader.workspace, references, {"llm": "none", "no-write": True})
        told.append(f"reading {', '.join(references)} has begun (run {run.number}); the literature shows how it goes")
    rest = [item for item in commands if item not in alone]
    if not rest:
        return conversing.Done(tuple(told), here.study)
    if here.study is None:
        raise UsageError("there is no study that could be steered")
    done = conversing.steer(reader.store, here.study, rest, by=by, launcher=begin)
    return conversing.Done((*told, *done.lines), done.study, done.commands)


def _by_itself(reader: Reader, study: str | None, command: SteeringCommand) -> bool:
    """Whether papers are read by a process of their own: no study runs that would."""
    return isinstance(command, Ingest) and (study is None or not reader.running(study))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
