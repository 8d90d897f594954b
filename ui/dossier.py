"""Everything that is known of one trial, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neuramosaic.errors import NotFoundError
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import StudyRecord, TrialRecord
from neuramosaic.store.store import Store
from ui.drawing import draw
from ui.figures import clock, count, duration, moment, size
from ui.provenance import history, prediction, print_history, written_components
from ui.tables import STATE_STYLES, checks_table


def code_of(store: Store, trial: str, workspace: Path) -> str:
    """Return a trial's model.py as it was committed.

    Raises:
        NotFoundError: If it was not written yet.
    """
    commit = store.trial(trial).commit
    if commit is None:
        raise NotFoundError("code of trial", trial)
    return CodeRepository(workspace / "code").read(commit, "model.py")


def lineage(store: Store, trial: TrialRecord) -> list[TrialRecord]:
    """Return the trials of the same architecture that this one was promoted from, and those promoted from it."""
    others = store.trials(trial.study)
    above = {other.id: other for other in others}
    chain: list[TrialRecord] = []
    at = trial
    while at.parent is not None and at.parent in above:
        at = above[at.parent]
        chain.insert(0, at)
    return chain + [other for other in others if other.parent == trial.id]


def vector(store: Store, study: StudyRecord, trial: TrialRecord) -> list[float]:
    """Return a trial's architecture as a vector of its study's space."""
    from graph.plan import recorded_space

    space = recorded_space(store, study)
    return [float(value) for value in space.encode(Architecture.from_json(trial.architecture))]


def dossier(store: Store, trial: str) -> dict[str, Any]:
    """Return everything that is known of a trial (`show --json`)."""
    record = store.trial(trial)
    study = store.study(record.study)
    outcome = record.outcome
    return {
        **record.to_json(),
        "unit": study.task.get("unit"),
        "genotype": record.architecture,
        "vector": vector(store, study, record),
        "space_version": study.space_version,
        "proposal": dict(record.proposal),
        "written": [history(store, component, writing) for component, writing in written_components(store, record)],
        "verification": [dict(check) for check in outcome.verification] if outcome else [],
        "environment": dict(outcome.environment) if outcome else {},
        "lineage": [other.id for other in lineage(store, record)],
        "attempts": record.attempts,
        "created": record.created,
        "started": record.started,
        "finished": record.finished,
        "curve": store.curve(trial),
        "journal": [
            {"time": event.time, "agent": event.agent, "kind": event.kind, "message": event.message}
            for event in store.events(record.study, trial=trial)
        ],
    }


def print_dossier(store: Store, trial: str, console: Console) -> None:
    """Print everything that is known of a trial."""
    record = store.trial(trial)
    study = store.study(record.study)
    outcome = record.outcome
    title = Text(f"{record.id}  ", "bold cyan").append(record.state, STATE_STYLES[record.state])
    console.print(title.append(f"  {record.label}", "default"))
    if outcome and outcome.reason:
        console.print(Text(outcome.reason, "red"), soft_wrap=True)
    console.print()
    console.print(_facts(store, record, str(study.task.get("unit", "nats per token"))))
    _heading(console, "Architecture")
    console.print(
        draw(Architecture.from_json(record.architecture), vocab_size=study.task.get("vocab_size")),
        markup=False,
        soft_wrap=True,
    )
    if record.architecture.get("training"):
        _heading(console, "Training")
        console.print(_pairs({key: f"{value:.4g}" for key, value in record.architecture["training"].items()}))
    if outcome and outcome.metrics:
        _heading(console, "Metrics")
        console.print(_pairs(_metrics(record, str(study.task.get("unit", "nats per token")))))
    if outcome and outcome.verification:
        _heading(console, "Verification")
        console.print(checks_table(outcome.verification))
    if outcome and outcome.environment:
        _heading(console, "Environment")
        console.print(_pairs(_flat(outcome.environment)))
    for component, writing in written_components(store, record):
        _heading(console, "Written for this workspace")
        print_history(store, component, console, writing)
    _heading(console, "Journal")
    for event in store.events(record.study, trial=trial):
        console.print(f"{clock(event.time)} {event.agent:9} {event.message}", markup=False, soft_wrap=True)


def _facts(store: Store, record: TrialRecord, unit: str) -> Table:
    related = [f"{other.number} ({count(other.fidelity_tokens)} tokens)" for other in lineage(store, record)]
    outcome = record.outcome
    facts = {
        "proposed by": record.source,
        **prediction(record, unit),
        "architecture": record.architecture_id,
        "parameters": f"{record.params:,}",
        "tokens": f"{record.fidelity_tokens:,} (rung {record.rung})",
        "seed": str(record.seed),
        "same design": ", ".join(related) or "no other trial",
        "finished": moment(record.finished) + (f", after {duration(outcome.seconds)}" if outcome else ""),
        "attempts": str(record.attempts),
        "code": record.commit or "not written yet",
        "corpus": record.corpus,
    }
    return _pairs(facts)


def _metrics(record: TrialRecord, unit: str) -> dict[str, str]:
    assert record.outcome is not None
    units = {
        "val_loss": unit,
        "train_loss": unit,
        "val_bits_per_byte": "bits per byte",
        "tokens_per_second": "tokens/s",
    }
    found = {}
    for name, value in sorted(record.outcome.metrics.items(), key=lambda item: not item[0].startswith("val_")):
        text = f"{value:,.0f}" if name in ("tokens", "steps", "tokens_per_second") else f"{value:.4f}"
        found[name] = f"{text} {units.get(name, '')}".rstrip()
    if record.outcome.cost_flops is not None:
        found["training cost"] = f"{record.outcome.cost_flops:.3g} floating-point operations"
    if record.outcome.peak_memory_bytes is not None:
        found["peak memory"] = size(record.outcome.peak_memory_bytes)
    return found


def _flat(environment: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in environment.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = str(value)
    return found


def _pairs(facts: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold"))
