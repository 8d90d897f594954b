"""From a study in the store to its report on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agents.literature.brief import BRIEF, findings_of
from graph.plan import recorded_space
from neuramosaic.analysis.report import write_report
from neuramosaic.errors import NotFoundError, StoreError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import StudyState, TrialRecord
from neuramosaic.store.store import Store


def write_study_report(
    store: Store, study: str, workspace: Path, path: Path | None = None, *, finished: bool = False
) -> Path:
    """Write a study's report: one HTML file that opens offline.

    Args:
        store: Store of the workspace.
        study: Id of the study.
        workspace: Directory of the workspace.
        path: Where to write it; by default `artifacts/STUDY/report.html` in the workspace.
        finished: Whether the study ends with this report, whatever the store says of it yet.

    Raises:
        NotFoundError: If there is no such study.
        StoreError: If it cannot be written.
    """
    record = store.study(study)
    if finished:
        record = replace(record, state=StudyState.FINISHED)
    trials = store.trials(study)
    code = CodeRepository(workspace / "code")

    def source_of(trial: TrialRecord) -> str | None:
        try:
            return code.read(trial.commit, "model.py") if trial.commit else None
        except NotFoundError:
            return None

    path = path or workspace / "artifacts" / study / "report.html"
    try:
        return write_report(
            record,
            trials,
            {trial.id: store.curve(trial.id) for trial in trials},
            recorded_space(store, record),
            path,
            source_of=source_of,
            literature=_literature(store, study),
        )
    except OSError as error:
        raise StoreError(f"cannot write the report to {path}: {error.strerror or error}") from error


def _literature(store: Store, study: str) -> list[str]:
    """Return the findings of the newest brief in the journal, a line each; empty if there is none."""
    briefs = [
        event.data["findings"] for event in store.events(study) if event.kind == BRIEF and "findings" in event.data
    ]
    return [str(finding).removeprefix("- ") for finding in findings_of(briefs[-1])] if briefs else []
