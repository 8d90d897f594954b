"""A workspace with a study in it that was not run: what the commands show is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neuramosaic.components.registry import catalogue
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import StudyState, TrialOutcome, TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from ui.cli import main

LOSSES = {0: 2.5, 1: 2.4, 3: 2.45}
BASELINE, BEST, FAILED, RUNNING, PROMOTED = 0, 1, 2, 4, 5


class Finished:
    """What a command left."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Run the command line in this process."""

    def run(*words: object) -> Finished:
        capsys.readouterr()
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Finished(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def space() -> ArchitectureSpace:
    return ArchitectureSpace(catalogue(), params_budget=30_000, vocab_size=256, sequence_length=64, depth=(2, 3))


@pytest.fixture
def workspace(tmp_path: Path, space: ArchitectureSpace) -> Path:
    """A workspace with the stopped study text-1: a baseline, a better and a worse trial, a failed and a running one."""
    path = tmp_path / "workspace"
    config = StudyConfig(task="text:notes.txt", params=30_000, trials=6, tokens=4096, sampler="random", workers=2)
    task = {
        "name": config.task,
        "unit": "nats per byte",
        "vocab_size": 256,
        "sequence_length": 64,
        "byte_level": True,
        "corpus": "sha256:feed",
        "settings": {},
    }
    with Store.open(path) as store:
        study = store.create_study("text", config.to_json(), task, space.version).id
        store.add_event(study, "session", "started", "process 1")
        rng = np.random.default_rng(0)
        code = CodeRepository(path / "code")
        designs = [space.baseline(), *(space.sample(rng) for _ in range(4))]
        for number, design in enumerate([*designs, designs[BEST]]):
            promoted = number == PROMOTED
            trial = store.add_trial(
                study,
                number,
                design,
                source="baseline" if number == BASELINE else "random",
                params=space.count_parameters(design),
                seed=0,
                rung=int(promoted),
                fidelity_tokens=config.fidelity(int(promoted)),
                corpus="sha256:feed",
                asked=number,
                parent=f"{study}.{BEST}" if promoted else None,
            )
            files = {"model.py": f"# model {number}\n"}
            store.set_commit(trial.id, code.commit(design.id[7:], files, design.label()))
            if promoted:
                continue
            store.start_trial(trial.id)
            store.add_event(study, "runner", "started", "attempt 1", trial=trial.id)
            store.add_metrics(trial.id, 1, [{"tokens": 2048, "train_loss": 3.25, "step": 2, "seconds": 1.0}])
            if number in LOSSES:
                store.tell(trial.id, _complete(LOSSES[number]))
            elif number == FAILED:
                store.tell(trial.id, TrialOutcome(TrialState.FAILED, reason="verification: causal: it sees the future"))
        store.set_study_state(study, StudyState.STOPPED)
    return path


def _complete(loss: float) -> TrialOutcome:
    return TrialOutcome(
        TrialState.COMPLETE,
        {"val_loss": loss, "val_bits_per_byte": loss / np.log(2), "tokens_per_second": 4096.0},
        seconds=12.0,
        cost_flops=3e12,
        peak_memory_bytes=400 << 20,
        verification=({"name": "contract", "passed": True, "message": "", "seconds": 0.25},),
        environment={"backend": "process", "threads": 1, "versions": {"torch": "2.0"}},
    )
