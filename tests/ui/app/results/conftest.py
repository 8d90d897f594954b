"""A study of 17 architectures that was not run, and the app in a browser that is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from graph.plan import study_space
from neuramosaic.components.registry import catalogue
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import StudyState, TrialOutcome, TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

#: Of the study: the failed trial, the best one, and that which it was promoted to.
FAILED, BEST, PROMOTED = 5, 3, 17
HOSTILE = "<script>alert(1)</script> **bold** [link](http://example.org)"

Show = Callable[..., AppTest]


CONFIG = StudyConfig(task="text:notes.txt", params=30_000, trials=17, tokens=4096, sampler="random", workers=2)
TASK = {
    "name": CONFIG.task,
    "unit": "nats per byte",
    "vocab_size": 256,
    "sequence_length": 64,
    "byte_level": True,
    "corpus": "sha256:feed",
    "settings": {},
}


@pytest.fixture(scope="session")
def wide_space() -> ArchitectureSpace:
    return study_space(CONFIG, TASK, catalogue())


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory, wide_space: ArchitectureSpace) -> Path:
    """A workspace with the stopped study text-1: a baseline, 16 others of which one failed, and one promoted."""
    path = tmp_path_factory.mktemp("studied") / "workspace"
    rng = np.random.default_rng(4)
    designs = [wide_space.baseline(), *(wide_space.sample(rng) for _ in range(16))]
    with Store.open(path) as store:
        study = store.create_study("text", CONFIG.to_json(), TASK, wide_space.version).id
        code = CodeRepository(path / "code")
        for number, design in enumerate([*designs, designs[BEST]]):
            promoted = number == PROMOTED
            trial = store.add_trial(
                study,
                number,
                design,
                source="baseline" if number == 0 else "random",
                params=wide_space.count_parameters(design),
                seed=0,
                rung=int(promoted),
                fidelity_tokens=CONFIG.fidelity(int(promoted)),
                corpus="sha256:feed",
                asked=number,
                parent=f"{study}.{BEST}" if promoted else None,
            )
            files = {"model.py": f"import torch\n# model {number}\n"}
            store.set_commit(trial.id, code.commit(design.id[7:], files, design.label()))
            store.start_trial(trial.id)
            store.add_event(study, "runner", "started", HOSTILE, trial=trial.id)
            store.add_metrics(trial.id, 1, [{"tokens": 2048, "train_loss": 3.25, "step": 2, "seconds": 1.0}])
            if number == FAILED:
                store.tell(trial.id, TrialOutcome(TrialState.FAILED, reason=f"it diverged {HOSTILE}"))
                continue
            loss = 2.0 if number == BEST else 1.5 if promoted else 2.5 + 0.02 * number
            store.tell(trial.id, _complete(loss, seconds=10.0 + number))
            if number == BEST:
                folder = path / "artifacts" / study / str(number)
                folder.mkdir(parents=True)
                (folder / "weights.safetensors").write_bytes(b"weights")
        store.set_study_state(study, StudyState.STOPPED)
    return path


def _complete(loss: float, seconds: float) -> TrialOutcome:
    return TrialOutcome(
        TrialState.COMPLETE,
        {"val_loss": loss, "tokens_per_second": 4096.0},
        seconds=seconds,
        cost_flops=3e12 + 1e10 * seconds,
        peak_memory_bytes=400 << 20,
        verification=({"name": "contract", "passed": True, "message": "", "seconds": 0.25},),
        environment={"backend": "process", "threads": 1},
    )


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Return a function that draws a view of the app on a workspace; by default that of the study."""

    def drawn(view: str, workspace: Path, **parameters: str) -> AppTest:
        monkeypatch.setenv("NEURAMOSAIC_WORKSPACE", str(workspace))
        app = AppTest.from_function(_draw, default_timeout=120, args=(view,))
        for name, value in parameters.items():
            app.query_params[name] = value
        return app.run()

    return drawn


def _draw(view: str) -> None:
    # Streamlit's tests cannot go to a page that is a function: the view is drawn as the app draws it.
    import os
    from importlib import import_module

    from ui.app import chosen_study, reader_of
    from ui.views.page import Page

    reader = reader_of(os.environ["NEURAMOSAIC_WORKSPACE"])
    import_module(f"ui.views.{view}").render(Page(reader, chosen_study(reader)))
