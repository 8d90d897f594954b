"""From a configuration to everything that a study works with, checked before anything is stored or run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.comparison import Comparison
from neuramosaic.canonical import content_id
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.errors import DataError
from neuramosaic.search.registry import create_sampler
from neuramosaic.seeds import stream
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.space.layout import NO_MODULATOR
from neuramosaic.store.components import study_catalogue
from neuramosaic.store.records import StudyRecord
from neuramosaic.store.store import Store
from neuramosaic.study import PARAMS_TOLERANCE, StudyConfig
from neuramosaic.tasks.base import Task
from neuramosaic.tasks.files import SEARCH, TEST, check_files, read_description, write_task_data
from neuramosaic.tasks.registry import create_task


@dataclass(frozen=True)
class Plan:
    """What a configuration means on this machine.

    Attributes:
        config: The configuration.
        task: The task, with its settings.
        data: Description of the task's data, as a job request carries it.
        data_dir: Directory that a search job may see: train and val, never test.
        corpus: Content hash of the data.
        catalogue: The components that exist.
        space: The space that is searched.
        workers: Trials trained at once.
        threads: Processor threads of one trial.
    """

    config: StudyConfig
    task: Task
    data: Mapping[str, Any]
    data_dir: Path
    corpus: str
    catalogue: Catalogue
    space: ArchitectureSpace
    workers: int
    threads: int


def plan_study(config: StudyConfig, workspace: Path, known: Catalogue, recorded: StudyRecord | None = None) -> Plan:
    """Resolve a configuration: load the task's data into the workspace, build the space, fit the baseline in it.

    Args:
        config: The configuration.
        workspace: Directory of the workspace; the data is written below its `artifacts/data`.
        known: The components that the study has: those of the workspace for a new one, its own for one that exists.
        recorded: The study, if it exists already. The files of its task's data are used as they lie in the workspace,
            whatever became of where they once came from.

    Raises:
        UnknownNameError, UnknownOptionError, InvalidValueError: If the configuration names what does not exist.
        DataError: If the task's data cannot be had, or is no longer what was recorded.
        BudgetError: If not even the baseline fits the parameter budget.
        UsageError: If what is to be compared with the baseline is what it has, or fits no parameter budget.
    """
    task = create_task(config.task, **config.task_settings)
    data_dir = workspace / str(recorded.task["directory"]) if recorded else None
    if data_dir is None or not data_dir.exists():
        data_dir = _write_data(task, config, workspace)
    description = read_description(data_dir)
    check_files(data_dir, description)
    if recorded and description["corpus"] != recorded.task["corpus"]:
        raise DataError(
            f"the data of this study is gone from {workspace / str(recorded.task['directory'])}, and {config.task} now "
            "gives other data (another Python version, or a changed text file): put the folder back"
        )
    space = study_space(config, description, known, recorded.components if recorded else ())
    space.baseline()
    if config.comparison:
        Comparison(space, config)
    create_sampler(config.sampler, space.parameters, seed=config.seed, **config.sampler_settings)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = config.workers or max(1, min(processors, 2), processors // 2)
    return Plan(
        config=config,
        task=task,
        data=description,
        data_dir=data_dir,
        corpus=description["corpus"],
        catalogue=space.catalogue,
        space=space,
        workers=workers,
        threads=config.threads or max(1, processors // workers),
    )


def recorded_space(store: Store, study: StudyRecord) -> ArchitectureSpace:
    """Return the space of a study that exists, as it is now.

    Raises:
        NotFoundError: If a version of a component that it has is gone.
    """
    config = StudyConfig.from_mapping(study.config)
    return study_space(config, study.task, study_catalogue(store, study), study.components)


def study_space(
    config: StudyConfig, task: Mapping[str, Any], known: Catalogue, added: Iterable[Mapping[str, str]] = ()
) -> ArchitectureSpace:
    """Return the space of a study.

    Args:
        config: The study's configuration.
        task: Description of its data, with vocab_size and sequence_length.
        known: The components that it has.
        added: Those of them that were added to the workspace, as the study's record has them. One with a `writing` was
            written for the study: it is searched beside those that the configuration names.
    """
    limits = config.space
    written = [(item["slot"], item["name"]) for item in added if "writing" in item]

    def allowed(slot: Slot, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if names is None else (*names, *(name for in_slot, name in written if in_slot == slot))

    return ArchitectureSpace(
        known,
        params_budget=config.params,
        tolerance=PARAMS_TOLERANCE,
        vocab_size=task["vocab_size"],
        sequence_length=task["sequence_length"],
        max_pattern=limits.max_pattern,
        depth=limits.depth,
        mixers=allowed(Slot.MIXER, limits.mixers),
        channels=allowed(Slot.CHANNEL, limits.channels),
        norms=allowed(Slot.NORM, limits.norms),
        positions=limits.positions,
        residuals=limits.residuals,
        modulators=allowed(Slot.MODULATOR, (NO_MODULATOR,) if limits.modulators == () else limits.modulators),
    )


def _write_data(task: Task, config: StudyConfig, workspace: Path) -> Path:
    """Load the task's data, write it unless an earlier study did, and return the directory that a job may see."""
    data = task.load(stream(config.seed, "task"))
    directory = workspace / "artifacts" / "data" / content_id([task.name, task.settings(), data.corpus])[7:23]
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.parent.chmod(0o700)  # it may be somebody's private text; a sandbox is given what lies below
        partial = Path(tempfile.mkdtemp(dir=directory.parent, prefix=".partial-"))
        try:
            write_task_data(data, partial)
            for path in (partial, *partial.rglob("*")):  # a sandbox reads it as another user
                path.chmod(0o755 if path.is_dir() else 0o644)
            (partial / TEST).chmod(0o700)
            partial.rename(directory)
        except OSError as error:
            if not directory.exists():  # unless another process was quicker
                raise DataError(f"cannot write the task's data to {directory}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return directory / SEARCH
