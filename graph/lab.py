"""What the nodes of the graph work with: the store, the agents and the workers of one study."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agents.analyst import Analyst
from agents.coder import Coder
from agents.comparison import Comparison
from agents.designer import Designer
from agents.literature import Brief, Finding, Literature, Situation, due
from agents.literature.brief import findings_of
from agents.llm.client import LanguageModel
from agents.runner import Runner, known_functions, trial_limits
from graph.bookshelf import OpenedLater
from graph.control import seconds_spent
from graph.language import open_language_model
from graph.plan import Plan, plan_study, study_space
from graph.replay import Schedule, schedule_of
from graph.workers import TrialWorkers
from graph.workshop import Workshop
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import study_catalogue
from neuramosaic.store.records import Event, TrialRecord, WritingRecord
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from neuramosaic.study import StudyConfig
from sandbox.base import SandboxConfig
from sandbox.registry import create_sandbox

#: Kind of the journal's entry that holds a brief of the literature.
BRIEF = "brief"


class WritingCutShortError(Exception):
    """A person asked the study to stop, or its time was up, while a component was being written."""


@dataclass
class Lab:
    """Run-scoped context of the graph; never checkpointed.

    Attributes:
        study: Id of the study.
        workspace: Directory of the workspace.
        store: Its store.
        plan: The study's configuration, resolved; its space grows when a component joins.
        workers: Where trials run.
        deadline: Monotonic time at which the study's wall limit is reached; None without one.
        model: The language model, or None if nobody is asked.
        workshop: Where components are written; None if nobody is asked.
        schedule: The order of events to follow, if this is a replay.
        spent: Which cap of the language model was reached in this session, and how to go on; empty while none is.
        literature: Who looks for what is known; it has no library by default.
        sandbox_failures: How often the sandbox failed in this session, by trial.
        brief, designer, coder: What the agents know, and those that depend on the space.
        analyst: The analyst.
        writings: The study's writings.
    """

    study: str
    workspace: Path
    store: Store
    plan: Plan
    workers: TrialWorkers
    deadline: float | None
    model: LanguageModel | None = None
    workshop: Workshop | None = None
    schedule: Schedule | None = None
    spent: str = ""
    literature: Literature = field(default_factory=Literature)
    sandbox_failures: Counter[str] = field(default_factory=Counter)
    brief: Brief = field(init=False)
    designer: Designer | Comparison = field(init=False)
    coder: Coder = field(init=False)
    analyst: Analyst = field(init=False, default_factory=Analyst)
    writings: Writings = field(init=False)
    _findings: tuple[Finding, ...] = field(init=False, default=())
    _consulted: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.writings = Writings(self.store)
        self._appoint()

    @property
    def out_of_time(self) -> bool:
        """Whether the study's wall limit is reached."""
        return _over(self.deadline)

    @property
    def ending(self) -> str:
        """Why the study ends early, for people; empty if it does not."""
        return self.spent or (self.schedule.ending if self.schedule else "")

    def joined(self, writing: WritingRecord) -> bool:
        """Whether the component of a writing is in the study's space."""
        return any(item.get("writing") == writing.id for item in self.store.study(self.study).components)

    def join(self, writing: WritingRecord) -> None:
        """Let the component of a VERIFIED writing join the space, here and in the store."""
        assert writing.version is not None
        added = {"slot": writing.slot, "name": writing.name, "version": writing.version, "writing": writing.id}
        record = self.store.study(self.study)
        record = replace(record, components=(*record.components, added))
        known = study_catalogue(self.store, record)
        space = study_space(self.plan.config, self.plan.data, known, record.components)
        self.store.extend_study_space(self.study, added, space.version)
        self.plan = replace(self.plan, space=space, catalogue=space.catalogue)
        self._appoint()

    def consult(self, trials: Sequence[TrialRecord]) -> None:
        """Bring the brief of the literature up to date, if enough trials have finished since the last one.

        A brief is made of the trials that had finished when it was due, in the order in which they finished, and kept
        in the journal. A session that goes on takes it from there, and so does a replay, from the study that it
        repeats: papers may have come in meanwhile, and a model is not asked again.

        Args:
            trials: All trials of the study.
        """
        after = due(trials)
        if after == self._consulted or (self.plan.config.comparison and self._consulted is not None):
            return
        config = self.plan.config
        recorded = self._recorded_findings(self.study, after)
        if recorded is None:
            recorded = self._recorded_findings(config.replay, after) if config.replay else None
            brief = replace(self.brief, findings=recorded or ())
            if recorded is None:
                had = [trial for trial in trials if trial.finish_order is not None and trial.finish_order <= after]
                length = self.plan.space.sequence_length
                situation = Situation(self.study, config.task, length, config.seed, had)
                brief = self.literature.brief(self._components(), situation)
                recorded = brief.findings
            self.store.add_event(
                self.study, "literature", BRIEF, brief.summary(), data={"after": after, **brief.to_json()}
            )
        self._findings, self._consulted = recorded, after
        self._appoint()

    def _recorded_findings(self, study: str, after: int) -> tuple[Finding, ...] | None:
        """Return the findings that a study was given after so many finished trials, or None if it was not."""
        for event in self.store.events(study):
            if event.kind == BRIEF and event.data.get("after") == after and "findings" in event.data:
                return findings_of(event.data["findings"])
        return None

    def _components(self) -> list[ComponentSpec]:
        return [spec for slot in Slot for spec in self.plan.space.components(slot)]

    def _appoint(self) -> None:
        """Make the agents that depend on the space."""
        plan = self.plan
        self.brief = replace(Literature().brief(self._components()), findings=self._findings)
        self.designer = (
            Comparison(plan.space, plan.config)
            if plan.config.comparison
            else Designer(plan.space, plan.config, model=self.model, brief=self.brief)
        )
        self.coder = Coder(
            plan.catalogue,
            CodeRepository(self.workspace / "code"),
            vocab_size=plan.data["vocab_size"],
            sequence_length=plan.data["sequence_length"],
        )


@contextmanager
def open_lab(workspace: Path, study: str, store: Store) -> Iterator[Lab]:
    """Start everything that a study needs, the language model and the sandbox among it, and stop it at the end.

    Raises:
        SandboxUnavailableError: If no sandbox can run here.
        NeuraMosaicError: What `plan_study` and `open_language_model` raise.
    """
    record = store.study(study)
    config = StudyConfig.from_mapping(record.config)
    plan = plan_study(config, workspace, study_catalogue(store, record), record)
    if plan.space.version != record.space_version:
        raise UsageError(
            f"study {study} was made with another version of the components: its trials would not be comparable; "
            "start a new study with 'run'"
        )
    artifacts = workspace / "artifacts" / study
    artifacts.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        model = stack.enter_context(
            open_language_model(config, study, store, lambda line: store.add_event(study, "designer", "model", line))
        )
        sandbox = create_sandbox(
            config.sandbox,
            SandboxConfig(
                data_dir=plan.data_dir,
                workers=plan.workers,
                limits=trial_limits(config, plan.threads),
                allow_process=config.sandbox == "process",
                scratch=artifacts / "scratch",
                label=f"{workspace.resolve()}:{study}",
            ),
            on_progress=lambda line: store.add_event(study, "runner", "sandbox", line),
        )
        backend = sandbox.name
        store.add_event(study, "runner", "sandbox", f"starting the {backend} sandbox", data={"backend": backend})
        sandbox.start()
        stack.callback(sandbox.stop)
        code = CodeRepository(workspace / "code")
        runner = Runner(sandbox, code, config, task=plan.data, threads=plan.threads, artifacts=artifacts)
        workers = TrialWorkers(
            lambda trial, cancel, on_metrics: runner.run(
                trial,
                cancel=cancel,
                on_metrics=on_metrics,
                # What is compared is trained, also where it computes at first what the baseline does.
                known={} if config.comparison else known_functions(trial, store.trials(study)),
            ),
            plan.workers,
        )
        stack.callback(workers.close)
        deadline = _deadline(config, store.events(study))
        workshop = None
        if model is not None:
            workshop = Workshop(
                model, store, workspace, backend=backend, on_progress=lambda line: _note(store, study, line, deadline)
            )
            stack.callback(workshop.close)
        shelf = OpenedLater(store, workspace)
        stack.callback(shelf.close)
        yield Lab(
            study=study,
            workspace=workspace,
            store=store,
            plan=plan,
            workers=workers,
            deadline=deadline,
            model=model,
            workshop=workshop,
            schedule=schedule_of(config, store),
            literature=Literature(shelf.search, model=model),
        )


def _note(store: Store, study: str, line: str, deadline: float | None) -> None:
    """Keep a line of a writing's progress; end the writing if a person asked the study to stop, or its time is up."""
    store.add_event(study, "coder", "writing", line)
    if _over(deadline) or any(command.kind == "stop" for command in store.pending_commands(study)):
        raise WritingCutShortError


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _deadline(config: StudyConfig, events: list[Event]) -> float | None:
    if config.max_hours is None:
        return None
    return time.monotonic() + config.max_hours * 3600 - seconds_spent(events)
