"""A session: one process that runs one study, whoever started it. `graph.control` starts, watches and stops it."""

from __future__ import annotations

import os
import sqlite3
import sys
import traceback
from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from graph.build import build_graph
from graph.control import discard_commands, hold_lock, is_running, log_path
from graph.lab import Lab, open_lab
from graph.language import check_language_model, provider_choice
from graph.plan import plan_study
from graph.replay import CHANGED, components_of, replay_config
from neuramosaic.errors import NeuraMosaicError, StoreError, UsageError
from neuramosaic.store.components import catalogue_with
from neuramosaic.store.records import StudyState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

GRAPH_FILE = "graph.db"
#: What may change within a study without making its trials incomparable.
CHANGEABLE = {
    "trials",
    "max_hours",
    "workers",
    "sandbox",
    "memory_mib",
    "trial_minutes",
    "max_usd",
    "max_llm_tokens",
}
#: Supersteps that LangGraph allows; a study ends by its budget, not by this.
RECURSION_LIMIT = 10_000_000


def create_study(config: StudyConfig, workspace: Path) -> str:
    """Check a configuration against this machine, make the study in the workspace, and return its id.

    Raises:
        NeuraMosaicError: What `plan_study` and the store raise; nothing was started then.
    """
    with Store.open(workspace) as store:
        if config.llm == "replay":
            provider_choice(config)  # says if the study to repeat is not named
            config = replay_config(config, store)
        config = _with_absolute_paths(config)
        check_language_model(config)
        components = components_of(config, store)
        plan = plan_study(config, workspace, catalogue_with(store, components))
        task = {
            **plan.data,
            "unit": plan.task.metric.unit,
            "settings": plan.task.settings(),
            "directory": str(plan.data_dir.relative_to(workspace)),
        }
        added = [{"slot": item.slot, "name": item.name, "version": item.version} for item in components]
        prefix = config.task.partition(":")[0]
        study = store.create_study(prefix, config.to_json(), task, plan.space.version, added).id
        store.add_event(study, "session", "created", f"{_purpose(config)}, {config.params:,} parameters each")
        return study


def _purpose(config: StudyConfig) -> str:
    if config.comparison is None:
        return f"{config.trials} trials"
    component = config.comparison.component
    return f"{component.slot} {component.name} against the baseline, {len(config.comparison.seeds)} seeds"


def _with_absolute_paths(config: StudyConfig) -> StudyConfig:
    """Return a configuration that means the same in any folder: the session may run, or be resumed, in another one."""
    prefix, colon, path = config.task.partition(":")
    changes = {}
    if colon and path:
        changes["task"] = f"{prefix}:{_absolute(path)}"
    if config.llm_gguf is not None:
        changes["llm_gguf"] = _absolute(config.llm_gguf)
    return config.model_copy(update=changes)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def extend_study(study: str, workspace: Path, changes: Mapping[str, Any]) -> None:
    """Change what may be changed of a study that is not running: trials, max_hours, max_usd, workers, sandbox ...

    Raises:
        UsageError: If a change would make its trials incomparable, or the study runs.
    """
    fixed = sorted(set(changes) - CHANGEABLE)
    if fixed:
        raise UsageError(f"{', '.join(fixed)} cannot change within a study: start a new one with 'run'")
    with Store.open(workspace, create=False) as store:
        if is_running(study, workspace):
            raise UsageError(f"study {study} is running: stop it first, with 'stop {study}'")
        config = StudyConfig.from_mapping({**store.study(study).config, **changes})
        if config.llm == "replay":
            replayed = sorted(set(changes) - {"max_hours", "sandbox"})
            if replayed:
                raise UsageError(f"study {study} is a replay: {', '.join(replayed)} cannot change")
        check_language_model(config)
        store.set_study_config(study, config.to_json())
        store.add_event(
            study, "session", CHANGED, ", ".join(f"{key}: {value}" for key, value in changes.items()), data=changes
        )


def run_study(study: str, workspace: Path, *, locked: bool = False) -> StudyState:
    """Run a study, from its beginning or from wherever it stands, in this process; return where it stands then.

    Args:
        study: Id of the study.
        workspace: Directory of the workspace.
        locked: Whether this process was handed the study's lock by `launch`.

    Raises:
        UsageError: If another process runs it.
        NeuraMosaicError: If it cannot go on; the study is FAILED with the message, and can be resumed.
    """
    with Store.open(workspace, create=False) as store:
        store.study(study)
        with nullcontext() if locked else hold_lock(study, workspace):
            if not locked:
                discard_commands(store, study)
            store.set_study_state(study, StudyState.RUNNING, pid=os.getpid())
            store.add_event(study, "session", "started", f"process {os.getpid()}")
            try:
                with open_lab(workspace, study, store) as lab:
                    state = _drive(lab, study)
            except NeuraMosaicError as error:
                _record_failure(store, study, str(error))
                raise
            except BaseException as error:
                detail = traceback.format_exception_only(error)[-1].strip()
                _record_failure(store, study, f"unexpected {detail}; see {log_path(study, workspace)}")
                raise
            store.set_study_state(study, state, message=lab.ending if state is StudyState.FINISHED else "")
            store.add_event(study, "session", "ended", str(state))
            return state


def _drive(lab: Lab, study: str) -> StudyState:
    """Run the graph until it ends or pauses."""
    with closing(sqlite3.connect(lab.workspace / GRAPH_FILE, timeout=30.0, check_same_thread=False)) as connection:
        graph = build_graph(SqliteSaver(connection))
        settings: Any = {"configurable": {"thread_id": study}, "recursion_limit": RECURSION_LIMIT}
        snapshot = graph.get_state(settings)
        start: Any
        if not snapshot.next:  # never begun, or ended and given more to do
            start = {"study": study}
        elif snapshot.interrupts:
            start = Command(resume=True)
        else:  # killed between two steps
            start = None
        graph.invoke(start, settings, context=lab, durability="sync")
        return StudyState.STOPPED if graph.get_state(settings).next else StudyState.FINISHED


def _record_failure(store: Store, study: str, message: str) -> None:
    """Say in the store why the session ended, if it can still be written; the error itself is raised anyway."""
    try:
        store.set_study_state(study, StudyState.FAILED, message=message)
        store.add_event(study, "session", "failed", message)
    except StoreError:
        pass


def main() -> int:
    """Run one session: `python -m graph.session WORKSPACE STUDY LOCK`, where LOCK is an inherited file descriptor."""
    workspace, study, lock = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    os.set_inheritable(lock, False)
    try:
        run_study(study, workspace, locked=True)
    except NeuraMosaicError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
