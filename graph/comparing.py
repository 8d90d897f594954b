"""The study that compares a component with the baseline: found if the workspace has it, else made."""

from __future__ import annotations

from pathlib import Path

from graph.session import CHANGEABLE, create_study
from neuramosaic.errors import UsageError
from neuramosaic.store.records import ComponentRecord, StudyRecord
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig


def comparison_study(
    store: Store, config: StudyConfig, workspace: Path, *, component: ComponentRecord | None, again: bool = False
) -> StudyRecord:
    """Return the study of a comparison.

    A study that compares the same version of the component at the same conditions is taken up again, whatever has come
    of it; with how many workers, and in which sandbox, it runs is not among the conditions.

    Args:
        store: The workspace's store.
        config: What is asked for; it has a comparison.
        workspace: The workspace's directory.
        component: The record of the component, if it was added to the workspace.
        again: Whether a new study is made in any case.

    Raises:
        UsageError: If a new study would have another version of the component.
        NeuraMosaicError: What `create_study` raises.
    """
    found = None if again else _find(store, config, component)
    if found is not None:
        return found
    if component is not None and component.version not in {item.version for item in store.components()}:
        raise UsageError(
            f"{component.slot} {component.name!r} was added again since, and new studies have its newest version: "
            f"compare that with 'component try {component.name}', or start anew with --again"
        )
    return store.study(create_study(config, workspace))


def _find(store: Store, config: StudyConfig, component: ComponentRecord | None) -> StudyRecord | None:
    conditions = _conditions(config)
    for study in reversed(store.studies()):
        if study.config.get("comparison") is None or _conditions(StudyConfig.from_mapping(study.config)) != conditions:
            continue
        versions = {item["version"] for item in study.components if _is(item, config)}
        if versions == ({component.version} if component else set()):
            return study
    return None


def _conditions(config: StudyConfig) -> dict[str, object]:
    """Return what the result depends on."""
    told = {name: value for name, value in config.to_json().items() if name not in CHANGEABLE}
    prefix, colon, path = config.task.partition(":")
    if colon and path:  # a study keeps where the file is
        told["task"] = f"{prefix}:{Path(path).expanduser().resolve()}"
    return told


def _is(item: object, config: StudyConfig) -> bool:
    assert config.comparison is not None
    named = config.comparison.component
    return isinstance(item, dict) and (item["slot"], item["name"]) == (named.slot, named.name)
