"""Synthetic studies: real architectures with made-up losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import StudyRecord, StudyState, TrialOutcome, TrialRecord, TrialState

ENVIRONMENT = {
    "backend": "bubblewrap",
    "versions": {"torch": "2.9.0", "python": "3.12.1"},
    "cpu": "Example CPU, 2 cores",
}
RUNGS = (1_000_000, 3_000_000)

MakeTrial = Callable[..., TrialRecord]


@pytest.fixture(scope="session")
def space() -> ArchitectureSpace:
    return ArchitectureSpace.default(params_budget=60_000, sequence_length=64)


@pytest.fixture
def study() -> StudyRecord:
    return StudyRecord(
        id="python-code-1",
        state=StudyState.FINISHED,
        config={"task": "python-code", "seed": 0, "sampler": "bayes", "params": 60_000},
        task={"unit": "nats per byte", "vocab_size": 256, "corpus": "sha256:" + "cd" * 32, "facts": {"files": 1234}},
        space_version="sha256:" + "ab" * 32,
        created="2025-01-01T00:00:00+00:00",
        updated="2025-01-01T01:00:00+00:00",
    )


def make_trial(number: int, architecture: Architecture, loss: float | None, **changes: Any) -> TrialRecord:
    """Return a trial that completed with `loss`, or failed if it is None."""
    rung = changes.pop("rung", 0)
    metrics = {} if loss is None else {"val_loss": loss, "val_bits_per_byte": loss / np.log(2)}
    state = changes.pop("state", TrialState.FAILED if loss is None else TrialState.COMPLETE)
    outcome = TrialOutcome(
        state,
        metrics=metrics,
        reason=changes.pop("reason", "diverged at step 12" if loss is None else ""),
        seconds=20.0 + number,
        environment=ENVIRONMENT,
    )
    fields: dict[str, Any] = {
        "id": f"python-code-1.{number}",
        "study": "python-code-1",
        "number": number,
        "state": state,
        "architecture": architecture.to_json(),
        "architecture_id": architecture.id,
        "source": "bayes",
        "label": architecture.label(),
        "components": architecture.components(),
        "params": 60_000 + 10 * number,
        "seed": 0,
        "rung": rung,
        "fidelity_tokens": RUNGS[rung],
        "parent": None,
        "corpus": "sha256:" + "cd" * 32,
        "commit": None,
        "created": "2025-01-01T00:00:00+00:00",
        "started": "2025-01-01T00:00:00+00:00",
        "finished": f"2025-01-01T00:{number:02d}:00+00:00",
        "attempts": 1,
        "finish_order": number + 1 if state.finished else None,
        "outcome": outcome if state.finished else None,
    }
    return TrialRecord(**(fields | changes))


@pytest.fixture
def trial() -> MakeTrial:
    return make_trial


@pytest.fixture(scope="session")
def architectures(space: ArchitectureSpace) -> list[Architecture]:
    rng = np.random.default_rng(3)
    return [space.baseline(), *(space.sample(rng) for _ in range(17))]


@pytest.fixture
def trials(architectures: list[Architecture]) -> list[TrialRecord]:
    """A study of a baseline and 17 others, three of them promoted with the baseline, two failed."""
    rng = np.random.default_rng(0)
    losses: list[float | None] = [2.1, *(2.2 + 0.15 * rng.standard_normal(17)).tolist()]
    losses = [None if number in (5, 9) else loss for number, loss in enumerate(losses)]
    sources = ["baseline", *["bayes"] * 17]
    records = [
        make_trial(number, architecture, loss, source=source)
        for number, (architecture, loss, source) in enumerate(zip(architectures, losses, sources, strict=True))
    ]
    best = sorted((r for r in records[1:] if r.val_loss is not None), key=lambda r: r.val_loss or 0)[:3]
    promoted = [
        make_trial(
            18 + index,
            architectures[parent.number],
            (parent.val_loss or 0) - 0.3,
            rung=1,
            parent=parent.id,
            source=parent.source,
        )
        for index, parent in enumerate([records[0], *best])
    ]
    return [*records, *promoted]


@pytest.fixture
def curves(trials: list[TrialRecord]) -> dict[str, list[dict[str, Any]]]:
    made = {}
    for record in trials:
        end = record.val_loss or 3.0
        tokens = np.linspace(0, record.fidelity_tokens, 12)[1:]
        made[record.id] = [
            {"step": step, "tokens": int(seen), "train_loss": end, "seconds": 1.0}
            | ({"val_loss": end + 2.0 * float(np.exp(-4 * seen / record.fidelity_tokens))} if step % 2 == 0 else {})
            for step, seen in enumerate(tokens)
        ]
    return made
