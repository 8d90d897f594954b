"""The conversation about a workspace: what a message is said in, answers from the store, and doing what is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.conversation import answering
from agents.conversation.answers import Answer, lines
from agents.conversation.meaning import Question, Run
from agents.conversation.situation import Situation
from agents.conversation.slash import check_run
from agents.conversation.vocabulary import Vocabulary
from graph.control import is_running, launch
from graph.plan import recorded_space
from graph.session import create_study
from graph.steering import check, steering_status, submit
from graph.steering import undo as undo_command
from knowledge.papers import Hit
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.errors import NeuraMosaicError, NotFoundError, UsageError
from neuramosaic.seeds import stream
from neuramosaic.space.layout import NO_MODULATOR
from neuramosaic.steering import SteeringCommand, describe, parse_command
from neuramosaic.steering.commands import BUDGET_OPTIONS, Resume
from neuramosaic.steering.commands import slash as steering_slash
from neuramosaic.steering.names import Names
from neuramosaic.store.commands import CommandOutcome, Commands
from neuramosaic.store.components import workspace_catalogue
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import StudyState, TrialRecord
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

#: What the options of a space limit, in words.
_SPOKEN_SLOTS = {
    "mixers": "mixers",
    "channels": "channel components",
    "norms": "norms",
    "positions": "positions",
    "residuals": "residual topologies",
    "modulators": "modulators",
}
Search = Callable[[str], Sequence[Hit]]


@dataclass(frozen=True)
class Done:
    """What came of something that was confirmed.

    Attributes:
        lines: What to say.
        study: The study that was started or is meant, or None.
        commands: Numbers of the steering commands that were stored.
    """

    lines: tuple[str, ...]
    study: str | None = None
    commands: tuple[int, ...] = ()


def situation(store: Store | None, study: str | None) -> Situation:
    """Return what a message about a study is said in.

    Args:
        store: Store of the workspace; None where there is no workspace yet.
        study: The study that is looked at, or None.

    Raises:
        NotFoundError: If there is no such study.
    """
    known = workspace_catalogue(store) if store is not None else catalogue()
    names = {slot: tuple(spec.name for spec in known.slot(slot)) for slot in Slot}
    names[Slot.MODULATOR] = (NO_MODULATOR, *names[Slot.MODULATOR])
    new = Vocabulary(Names(names, _DIMENSIONS), known.specs)
    if store is None or study is None:
        return Situation(new, new)
    record = store.study(study)
    config = StudyConfig.from_mapping(record.config)
    space = recorded_space(store, record)
    limits = {name: getattr(config, option) for name, option in BUDGET_OPTIONS.items()}
    waiting = tuple(item.number for item in steering_status(store, study).waiting)
    return Situation(Vocabulary(Names.of(space), space.catalogue.specs), new, study, limits, waiting)


#: Of every space; those of components are known once a study is.
_DIMENSIONS = ("depth", "pattern", "learning_rate", "weight_decay", "warmup_fraction")


def answer(
    question: Question,
    *,
    store: Store | None,
    study: str | None,
    trials: Callable[[], Sequence[TrialRecord]],
    search: Search,
) -> Answer:
    """Answer a question from the store.

    Args:
        question: The question.
        store: Store of the workspace; None where there is none yet.
        study: The study that is looked at, or None.
        trials: Reads its trials; the architecture of each may be left out.
        search: Finds passages of papers.

    Raises:
        NotFoundError: If the study has no such trial.
        NeuraMosaicError: If papers cannot be searched.
    """
    if question.kind == "help":
        return answering.help_text()
    if question.kind == "papers":
        return answering.passages(question.text, search(question.text))
    if store is None or study is None:
        return lines("There is no study yet: say what you want to find, such as 'find something for recall'.")
    record = store.study(study)
    unit = str(record.task.get("unit", "nats per token"))
    if question.trial is not None:
        trial = _trial(store, study, question.trial)
        return answering.why(trial) if question.kind == "why" else answering.show(trial, unit)
    match question.kind:
        case "best":
            return answering.best(trials(), unit)
        case "trials":
            return answering.ranking(trials(), unit)
        case "why":
            return answering.failures(trials())
        case "what-helps":
            return answering.effects(trials(), unit, rng=stream(0, "report", "effects"))
        case "log":
            steered = steering_status(store, study)
            return answering.log(steered.steering.lines(), steered.log, steered.waiting)
        case _:
            steered = steering_status(store, study)
            running = is_running(study, store.path.parent)
            spent = Ledger(store).spent(study)
            return answering.status(record, trials(), unit, spent, running=running, paused=steered.paused)


def _trial(store: Store, study: str, number: int) -> TrialRecord:
    try:
        return store.trial(f"{study}.{number}")
    except NotFoundError:
        (row,) = store.rows("SELECT count(*) AS n, max(number) AS last FROM trials WHERE study = ?", (study,))
        known = f"its trials are 0 to {row['last']}" if row["n"] else "it has none yet"
        raise UsageError(f"study {study} has no trial {number}: {known}") from None


def check_steering(store: Store, study: str, commands: Sequence[SteeringCommand]) -> None:
    """Check that commands can be done now, before a person is asked to confirm them.

    Raises:
        UsageError: If one cannot; says what to do in its place.
    """
    for command in commands:
        if not _goes_on(store, study, command):
            check(store, study, command)


def steer(
    store: Store,
    study: str,
    commands: Sequence[SteeringCommand],
    *,
    by: str,
    launcher: Callable[[str, Path], object] = launch,
) -> Done:
    """Store commands for a study, in order; one that is refused ends it, and what came before it stays.

    A study that does not run is gone on with by `Resume`.

    Raises:
        UsageError: If the first command cannot be done.
    """
    said: list[str] = []
    numbers: list[int] = []
    workspace = store.path.parent
    for command in commands:
        try:
            if _goes_on(store, study, command):
                launcher(study, workspace)
                said.append(f"study {study} goes on, in a process of its own")
                continue
            record = submit(store, study, command, by=by)
        except NeuraMosaicError as error:
            if not said:
                raise
            said.append(f"{steering_slash(command)} was not done: {error}")
            break
        numbers.append(record.id)
        when = "" if is_running(study, workspace) else "; it takes effect once the study goes on"
        said.append(f"{record.id}: {describe(command)}{when}")
    return Done(tuple(said), study, tuple(numbers))


def undo(store: Store, study: str, command: int | None, *, by: str) -> Done:
    """Bring back what was in force before a command.

    Args:
        store: Store of the workspace.
        study: The study.
        command: Its number; None for the last one that can be undone.
        by: Who asks.

    Raises:
        UsageError: If there is nothing to undo.
        NotFoundError: If the study has no such command.
    """
    number = command if command is not None else last_to_undo(store, study)
    records = undo_command(store, study, number, by=by)
    said = [record.effect if not record.pending else describe(record.command) for record in records]
    return Done(tuple(f"command {number} is undone: {line}" for line in said), study)


def last_to_undo(store: Store, study: str) -> int:
    """Return the number of the newest command that could be undone.

    Raises:
        UsageError: If there is none.
    """
    kinds = {"veto", "allow", "pin", "unpin", "favour", "budget", "approval"}
    for record in reversed(Commands(store).log(study)):
        if record.pending or (record.outcome is CommandOutcome.APPLIED and record.command.kind in kinds):
            return record.id
    raise UsageError("nothing was asked of this study that could be undone")


def start(run: Run, workspace: Path, *, by: str, launcher: Callable[[str, Path], object] = launch) -> Done:
    """Make the study that a run stands for, with what steers it from its beginning, and start it.

    What it reads first it reads by itself, once it runs: papers are asked for as `/ingest` does.

    Raises:
        NeuraMosaicError: What `create_study` raises; nothing was started then.
    """
    study = create_study(check_run(run), workspace)
    said = [f"study {study} has begun, in a process of its own: closing this page stops nothing"]
    with Store.open(workspace, create=False) as store:
        names = Names.of(recorded_space(store, store.study(study)))
        reads = tuple(parse_command(f"/ingest {reference}") for reference in run.reads)
        for command in (*reads, *run.then):
            try:
                names.check(command)
                record = submit(store, study, command, by=by)
                said.append(f"{record.id}: {describe(command)}")
            except NeuraMosaicError as error:
                said.append(f"{steering_slash(command)} was not done: {error}")
    launcher(study, workspace)
    return Done(tuple(said), study)


def understood(run: Run) -> list[str]:
    """Return what a run means, a line each, for the person who confirms it.

    Raises:
        UsageError: If a value cannot be.
    """
    config = check_run(run)
    space = config.space
    said = [f"Task: {config.task}", f"Parameters of every model: {config.params:,}, within 5 %"]
    rungs = f", then the best third of each on {config.rungs} rungs in all" if config.rungs > 1 else ""
    said.append(f"Architectures: {config.trials}, besides the baseline, {config.tokens:,} tokens each{rungs}")
    said.append(f"Wall time: {'no limit' if config.max_hours is None else f'at most {_duration(config.max_hours)}'}")
    for option, slot in _SPOKEN_SLOTS.items():
        names = getattr(space, option)
        if names is not None:
            said.append(f"Only these {slot}: {', '.join(names) or 'none'}")
    if "space" in run.options and "depth" in run.options["space"]:
        said.append(f"Depth: {space.depth[0]} to {space.depth[1]} blocks")
    said.append(f"Proposed by: {config.sampler}, seed {config.seed}")
    model = {"none": "none, the algorithms decide alone", "local": "the small local model"}.get(config.llm, config.llm)
    cap = f", at most {config.max_usd:g} USD" if config.max_usd is not None else ""
    said.append(f"Language model: {model}{f' {config.llm_model}' if config.llm_model else ''}{cap}")
    if run.reads:
        only = (
            "" if config.llm != "none" else " (for its passages: without a language model nothing is written from it)"
        )
        said.append(f"It reads first: {', '.join(run.reads)}{only}")
    said += [f"From its beginning: {describe(command)}" for command in run.then]
    return said


def _duration(hours: float) -> str:
    return f"{hours:g} hours" if hours >= 2 else "1 hour" if hours == 1 else f"{hours * 60:.0f} minutes"


def _goes_on(store: Store, study: str, command: SteeringCommand) -> bool:
    """Whether a command starts a study that does not run."""
    return (
        isinstance(command, Resume)
        and not is_running(study, store.path.parent)
        and store.study(study).state is not StudyState.FINISHED
    )
