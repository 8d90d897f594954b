"""What the nodes of the graph work with: the store, the agents and the workers of one study."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agents.analyst import Analyst
from agents.coder import Coder
from agents.comparison import Comparison
from agents.designer import Designer
from agents.literature import Literature
from agents.runner import Runner, known_functions, trial_limits
from graph.control import seconds_spent
from graph.plan import Plan, plan_study
from graph.workers import TrialWorkers
from neuramosaic.errors import UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import study_catalogue
from neuramosaic.store.records import Event
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from sandbox.base import SandboxConfig
from sandbox.registry import create_sandbox


@dataclass(frozen=True)
class Lab:
    """Run-scoped context of the graph; never checkpointed.

    Attributes:
        workspace: Directory of the workspace.
        store: Its store.
        plan: The study's configuration, resolved.
        literature, designer, coder, analyst: The agents.
        workers: Where trials run.
        deadline: Monotonic time at which the study's wall limit is reached; None without one.
        sandbox_failures: How often the sandbox failed in this session, by trial.
    """

    workspace: Path
    store: Store
    plan: Plan
    literature: Literature
    designer: Designer | Comparison
    coder: Coder
    analyst: Analyst
    workers: TrialWorkers
    deadline: float | None
    sandbox_failures: Counter[str] = field(default_factory=Counter)

    @property
    def out_of_time(self) -> bool:
        """Whether the study's wall limit is reached."""
        return self.deadline is not None and time.monotonic() >= self.deadline


@contextmanager
def open_lab(workspace: Path, study: str, store: Store) -> Iterator[Lab]:
    """Start everything that a study needs, the sandbox among it, and stop it at the end.

    Raises:
        SandboxUnavailableError: If no sandbox can run here.
        NeuraMosaicError: What `plan_study` raises.
    """
    record = store.study(study)
    config = StudyConfig.from_mapping(record.config)
    plan = plan_study(config, workspace, study_catalogue(store, record), record.task)
    if plan.space.version != record.space_version:
        raise UsageError(
            f"study {study} was made with another version of the components: its trials would not be comparable; "
            "start a new study with 'run'"
        )
    code = CodeRepository(workspace / "code")
    artifacts = workspace / "artifacts" / study
    artifacts.mkdir(parents=True, exist_ok=True)
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
    store.add_event(study, "runner", "sandbox", f"starting the {sandbox.name} sandbox", data={"backend": sandbox.name})
    sandbox.start()
    try:
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
        try:
            yield Lab(
                workspace=workspace,
                store=store,
                plan=plan,
                literature=Literature(),
                designer=Comparison(plan.space, config) if config.comparison else Designer(plan.space, config),
                coder=Coder(
                    plan.catalogue,
                    code,
                    vocab_size=plan.data["vocab_size"],
                    sequence_length=plan.data["sequence_length"],
                ),
                analyst=Analyst(),
                workers=workers,
                deadline=_deadline(config, store.events(study)),
            )
        finally:
            workers.close()
    finally:
        sandbox.stop()


def _deadline(config: StudyConfig, events: list[Event]) -> float | None:
    if config.max_hours is None:
        return None
    return time.monotonic() + config.max_hours * 3600 - seconds_spent(events)
