"""Rows of the database as records, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from neuramosaic.store.records import (
    ComponentRecord,
    StudyRecord,
    StudyState,
    TrialOutcome,
    TrialRecord,
    TrialState,
)


def outcome_json(outcome: TrialOutcome) -> dict[str, Any]:
    """Return an outcome as plain JSON, as a trial's row keeps it."""
    data = asdict(outcome)
    data["verification"] = [dict(check) for check in outcome.verification]
    return data


def study_record(row: Mapping[str, Any]) -> StudyRecord:
    """Return a row of `studies` as a record."""
    values = {**row, "state": StudyState(row["state"])}
    for name in ("config", "task", "components"):
        values[name] = json.loads(row[name])
    return StudyRecord(**{**values, "components": tuple(values["components"])})


def component_record(row: Mapping[str, Any]) -> ComponentRecord:
    """Return a row of `components` as a record."""
    values = {key: value for key, value in row.items() if key != "id"}
    checks = tuple(json.loads(row["checks"]))
    rule, uses_position = json.loads(row["rule"]), bool(row["uses_position"])
    return ComponentRecord(**{**values, "rule": rule, "checks": checks, "uses_position": uses_position})


def trial_record(row: Mapping[str, Any]) -> TrialRecord:
    """Return a row of `trials` as a record."""
    values = {key: value for key, value in row.items() if key != "val_loss"}
    values["state"] = TrialState(row["state"])
    values["architecture"] = json.loads(row["architecture"])
    values["components"] = tuple(json.loads(row["components"]))
    values["proposal"] = json.loads(row["proposal"])
    if row["outcome"]:
        outcome = json.loads(row["outcome"])
        outcome["state"] = TrialState(outcome["state"])
        outcome["verification"] = tuple(outcome["verification"])
        values["outcome"] = TrialOutcome(**outcome)
    return TrialRecord(**values)
