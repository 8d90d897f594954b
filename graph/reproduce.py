"""Running a finished trial again, and saying how far it is off."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.runner import Runner, trial_limits
from graph.plan import plan_study
from neuramosaic.errors import NeuraMosaicError, UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import study_catalogue
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from sandbox.base import SandboxConfig
from sandbox.registry import create_sandbox

#: Relative difference that is allowed when something of the environment differs (another machine or library version);
#: in the very same environment the loss must be equal to the last bit.
TOLERANCE_ELSEWHERE = 0.02


@dataclass(frozen=True)
class Reproduction:
    """A trial run twice.

    Attributes:
        trial: Its id.
        recorded: Val loss in the store.
        measured: Val loss now.
        difference: Measured minus recorded.
        tolerance: Greatest absolute difference that counts as the same: 0 in the same environment.
        matches: Whether the difference is within the tolerance.
        unit: Unit of the losses.
        differences: What differs between the two environments.
    """

    trial: str
    recorded: float
    measured: float
    difference: float
    tolerance: float
    matches: bool
    unit: str
    differences: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def reproduce_trial(
    store: Store,
    trial: str,
    workspace: Path,
    *,
    backend: str | None = None,
    on_metrics: Callable[[dict[str, Any]], None] | None = None,
) -> Reproduction:
    """Run a COMPLETE trial again: the committed code, the same data, seed, fidelity and threads.

    Args:
        store: Store of the workspace; nothing is written to it.
        trial: Id of the trial.
        workspace: Directory of the workspace.
        backend: Sandbox to use; by default the one that the study used.
        on_metrics: Called with each row of the loss curve.

    Raises:
        UsageError: If the trial is not COMPLETE.
        DataError: If the task's data is no longer what the trial was trained on.
        NeuraMosaicError: If it cannot be run, or fails this time.
    """
    record = store.trial(trial)
    if record.val_loss is None or record.outcome is None:
        raise UsageError(f"trial {trial} is {record.state}: only a COMPLETE trial can be reproduced")
    study = store.study(record.study)
    config = StudyConfig.from_mapping(study.config)
    plan = plan_study(config, workspace, study_catalogue(store, study), study)
    environment = record.outcome.environment
    threads = int(environment.get("threads", plan.threads))
    name = backend or config.sandbox
    with tempfile.TemporaryDirectory(prefix="neuramosaic-reproduce-") as scratch:
        sandbox = create_sandbox(
            name,
            SandboxConfig(
                data_dir=plan.data_dir,
                workers=1,
                limits=trial_limits(config, threads),
                allow_process=name == "process",
                scratch=Path(scratch) / "scratch",
                label=f"reproduce:{scratch}",
            ),
        )
        sandbox.start()
        try:
            code = CodeRepository(workspace / "code")
            runner = Runner(sandbox, code, config, task=plan.data, threads=threads, artifacts=Path(scratch))
            outcome = runner.run(record, cancel=threading.Event(), on_metrics=on_metrics, keep=Path(scratch) / "out")
        finally:
            sandbox.stop()
    if outcome is None or "val_loss" not in outcome.metrics:
        raise NeuraMosaicError(
            f"trial {trial} did not complete this time: {outcome.reason if outcome else 'cancelled'}"
        )
    measured = outcome.metrics["val_loss"]
    differences = _differences(environment, outcome.environment)
    tolerance = TOLERANCE_ELSEWHERE * abs(record.val_loss) if differences else 0.0
    difference = measured - record.val_loss
    return Reproduction(
        trial=trial,
        recorded=record.val_loss,
        measured=measured,
        difference=difference,
        tolerance=tolerance,
        matches=abs(difference) <= tolerance,
        unit=str(study.task["unit"]),
        differences=differences,
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name what differs and could change a number."""
    return [
        f"{key}: {json.dumps(before.get(key))} then, {json.dumps(after.get(key))} now"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
