"""A real trial through the real worker: the same numbers in every sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuramosaic.codegen.generate import generate
from neuramosaic.components.registry import catalogue
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialOutcome, TrialState
from neuramosaic.tasks.files import write_task_data
from neuramosaic.tasks.registry import create_task
from sandbox.base import Job, Limits, SandboxConfig
from sandbox.outcome import trial_outcome
from sandbox.weights import check_weights

from .conftest import make

pytestmark = pytest.mark.slow

BACKENDS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("docker-keeper", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]
LIMITS = Limits(memory_mib=1024, cpus=1)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path]:
    """A trial of the smallest baseline, and the folder with its data."""
    folder = tmp_path_factory.mktemp("task")
    data = create_task("recall", train_sequences=500, val_sequences=50).load(np.random.default_rng(0))
    task = write_task_data(data, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shape = {"vocab_size": task["vocab_size"], "sequence_length": task["sequence_length"]}
    space = ArchitectureSpace.default(params_budget=20_000, depth=(1, 2), **shape)
    model = generate(space.baseline(), catalogue(), **shape)
    request: dict[str, Any] = {
        "kind": "trial",
        "seed": 5,
        "threads": 1,
        "device": "cpu",
        "task": task,
        "training": {"tokens": 32 * 16 * 20, "batch_size": 16, "eval_batches": 1},
        "expected_params": None,
    }
    return Job("trial", request, {"model.py": model.encode()}), folder / "search"


def run(variant: str, job: Job, data: Path, folder: Path) -> tuple[TrialOutcome, list[dict[str, Any]]]:
    folder.chmod(0o755)
    rows: list[dict[str, Any]] = []
    sandbox = make(variant, SandboxConfig(data_dir=data, limits=LIMITS, allow_process=True, scratch=folder / "scratch"))
    sandbox.start()
    try:
        outcome = sandbox.run(job, limits=LIMITS, keep=folder / "kept", on_metrics=rows.append)
    finally:
        sandbox.stop()
    assert not (folder / "kept" / ".warm").exists()
    return trial_outcome(outcome, job.request), rows


@pytest.fixture(scope="module")
def reference(job: tuple[Job, Path], tmp_path_factory: pytest.TempPathFactory) -> TrialOutcome:
    """The trial in a plain child process."""
    told, _ = run("process", *job, tmp_path_factory.mktemp("process"))
    return told


@pytest.mark.parametrize("variant", BACKENDS)
def test_a_trial_gives_the_same_numbers_as_outside(
    variant: str, job: tuple[Job, Path], reference: TrialOutcome, tmp_path: Path
) -> None:
    assert reference.state is TrialState.COMPLETE, reference.reason
    told, rows = run(variant, *job, tmp_path)
    assert told.state is TrialState.COMPLETE, told.reason
    assert told.metrics["val_loss"] == reference.metrics["val_loss"]
    assert told.metrics["train_loss"] == reference.metrics["train_loss"]
    assert told.params == reference.params
    assert [check["name"] for check in told.verification] == [check["name"] for check in reference.verification]
    assert told.environment["backend"] == variant.partition("-")[0]
    assert "embed.weight" in check_weights(tmp_path / "kept" / "weights.safetensors")
    assert rows
    assert all("train_loss" in row or "val_loss" in row for row in rows)
