"""The curator: takes a component that a person wrote into a workspace's space, once it is proved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.bench import Bench, Verdict
from neuramosaic.canonical import content_id
from neuramosaic.codegen.source import read_source
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import WIDTHS, NoRuleError, ParameterRule, find_rule, settings_to_count
from neuramosaic.components.spec import ComponentSpec
from neuramosaic.errors import UsageError
from neuramosaic.space.domains import Categorical
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE
from neuramosaic.store.records import ComponentRecord
from neuramosaic.store.store import Store
from neuramosaic.verify.catalogue import model_job, verification_job
from neuramosaic.verify.ladder import HARNESS_SLOTS


def add_component(
    spec: ComponentSpec, card: Card, workspace: Path, *, origin: str, backend: str = "auto"
) -> dict[str, Any]:
    """Verify a component in the sandbox, count it, and keep it in a workspace; nothing is kept of one that fails.

    The ladder is climbed with the defaults, with the first and with the last value of every hyper-parameter, and once
    more by a small model that holds the component, written and counted as a study would.

    Args:
        spec: The component, read from a file.
        card: What it is to be.
        workspace: Directory of the workspace; made if absent.
        origin: Where it came from, for people.
        backend: Sandbox to use; `process` only if the person asked for it by name.

    Returns:
        `component`, `slot`, `class`, `backend`, `verified`, `checks` (of the climb that failed, else of the first),
        `hyperparameters` (those of that climb), and if it was verified `version`, `commit` and `workspace`.

    Raises:
        UsageError: If its slot is none that can be verified by itself, or a name is taken or malformed.
        CodegenError: If no model can be written with its source.
        SandboxError: If the sandbox failed, or the code brought its worker down before there was a verdict.
    """
    if spec.slot not in HARNESS_SLOTS:
        raise UsageError(f"a {spec.slot} cannot be added yet: only {', '.join(HARNESS_SLOTS)}")
    catalogue().add(spec)
    read_source(spec)
    with Bench(backend) as bench:
        verdict, rule = _prove(spec, card, bench)
        report: dict[str, Any] = {
            "component": spec.name,
            "slot": str(spec.slot),
            "class": spec.class_name,
            "backend": bench.name,
            "verified": verdict.passed,
            "checks": verdict.checks,
            "hyperparameters": verdict.hyperparameters,
        }
    if not verdict.passed or rule is None:
        return report
    record = _keep(spec, card, rule, verdict, workspace, origin)
    return {**report, "version": record.version, "commit": record.commit, "workspace": str(workspace)}


def _prove(spec: ComponentSpec, card: Card, bench: Bench) -> tuple[Verdict, ParameterRule | None]:
    """Climb the ladder, count, and try the component in a model; return the verdict that decides."""
    first: Verdict | None = None
    for settings in _corners(spec):
        job = verification_job(spec, catalogue(), settings, properties=card.claims())
        verdict = bench.verify(spec.name, job, settings)
        if not verdict.passed:
            return verdict, None
        first = first or verdict
    assert first is not None
    try:
        settings_list = settings_to_count(spec.hyperparameters)
        counts = bench.count(spec, settings_list, WIDTHS)
        rule = find_rule(spec.hyperparameters, settings_list, counts)
    except NoRuleError as error:
        return first.failing("parameter_rule", str(error)), None
    # Written into a model and counted by the rule, as a study would.
    job = model_job(replace(spec, counts=rule), catalogue())
    in_model = bench.verify(spec.name, job, spec.defaults())
    return (first, rule) if in_model.passed else (in_model.within_a_model(), None)


def _corners(spec: ComponentSpec) -> list[dict[str, Any]]:
    """Return the defaults, and the first and the last value of every hyper-parameter, each setting once."""
    settings = [spec.defaults()]
    for last in (False, True):
        corner = {
            item.name: item.choices[-last] if isinstance(item, Categorical) else (item.high if last else item.low)
            for item in spec.hyperparameters
        }
        if corner not in settings:
            settings.append(corner)
    return settings


def _keep(
    spec: ComponentSpec, card: Card, rule: ParameterRule, verdict: Verdict, workspace: Path, origin: str
) -> ComponentRecord:
    with Store.open(workspace) as store:
        version = content_id([spec.source, spec.class_name, card.to_yaml()]).removeprefix("sha256:")[:12]
        commit = CodeRepository(workspace / "code").commit(
            f"{spec.slot}/{spec.name}/{version}",
            {SOURCE: spec.source, CARD: card.to_yaml()},
            f"{spec.slot} {spec.name}",
            namespace="components",
        )
        record = ComponentRecord(
            slot=str(spec.slot),
            name=spec.name,
            version=version,
            class_name=spec.class_name,
            uses_position=spec.uses_position,
            rule=rule.to_json(),
            checks=tuple(verdict.checks),
            commit=commit,
            origin=origin,
        )
        return store.add_component(record)
