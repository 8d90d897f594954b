"""The curator: proves components in the sandbox, and takes what is proved into a workspace's space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents.bench import Bench, Verdict
from neuramosaic.canonical import content_id
from neuramosaic.codegen.source import read_source
from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue, catalogue
from neuramosaic.components.rule import WIDTHS, NoRuleError, ParameterRule, find_rule, settings_to_count
from neuramosaic.components.spec import ComponentSpec, Provenance
from neuramosaic.errors import CodegenError, UsageError
from neuramosaic.space.domains import Categorical
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE, known_components
from neuramosaic.store.records import ComponentRecord
from neuramosaic.store.store import Store
from neuramosaic.verify.catalogue import model_job, verification_job
from neuramosaic.verify.ladder import HARNESS_SLOTS


@dataclass(frozen=True)
class Proof:
    """What came of having a component proved.

    Attributes:
        verdict: The climb that failed, else the first one, with the defaults.
        rule: How many parameters it has; None unless it passed.
    """

    verdict: Verdict
    rule: ParameterRule | None

    @property
    def passed(self) -> bool:
        """Whether every check held."""
        return self.rule is not None and self.verdict.passed


def add_component(
    spec: ComponentSpec, card: Card, workspace: Path, *, origin: str, backend: str = "auto"
) -> dict[str, Any]:
    """Prove a component, and keep it in a workspace; nothing is kept of one that fails.

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
        UsageError: If its slot is none that can be proved, or a name is taken or malformed.
        SandboxError: If the sandbox itself failed.
    """
    check_addable(spec)
    known, _ = known_components(workspace)
    with Bench(backend) as bench:
        proof = prove(spec, card, bench, known)
        report: dict[str, Any] = {
            "component": spec.name,
            "slot": str(spec.slot),
            "class": spec.class_name,
            "backend": bench.name,
            "verified": proof.passed,
            "checks": proof.verdict.checks,
            "hyperparameters": proof.verdict.hyperparameters,
        }
    if not proof.passed:
        return report
    with Store.open(workspace) as store:
        record = keep(spec, card, proof, store, workspace, origin=origin, provenance=spec.provenance)
    return {**report, "version": record.version, "commit": record.commit, "workspace": str(workspace)}


def check_addable(spec: ComponentSpec) -> None:
    """Check what can be told of a component before its code runs.

    Raises:
        UsageError: If its slot is none that can be proved, or a name is malformed or one of the catalogue's own.
    """
    if spec.slot not in HARNESS_SLOTS:
        raise UsageError(f"a {spec.slot} cannot be added yet: only {', '.join(HARNESS_SLOTS)}")
    catalogue().add(spec)


def prove(spec: ComponentSpec, card: Card, bench: Bench, known: Catalogue) -> Proof:
    """Prove a component in the sandbox, cheapest first.

    The ladder is climbed with the defaults, with the first and with the last value of every hyper-parameter; its
    parameters are counted; and it is climbed once more by a small model that holds the component, written and counted
    as a study would. May be called from several threads.

    Args:
        spec: The component, not yet counted.
        card: What it is to be.
        bench: A started one.
        known: Where the rest of the model comes from; one of its added components of the same name gives way.

    Returns:
        The proof, or what failed. Fitness of the source for a model is the check `source`, that of its number of
        parameters `parameter_rule`; a job that ended without a verdict failed `finished`.

    Raises:
        UsageError: If its slot is none that can be proved, or a name is malformed or one of the catalogue's own.
        SandboxError: If the sandbox itself failed.
    """
    check_addable(spec)
    first: Verdict | None = None
    for settings in _corners(spec):
        job = verification_job(spec, known, settings, properties=card.claims())
        verdict = bench.verify(spec.name, job, settings)
        if not verdict.passed:
            return Proof(verdict, None)
        first = first or verdict
    assert first is not None
    try:
        read_source(spec)
        settings_list = settings_to_count(spec.hyperparameters)
        counts = bench.count(spec, settings_list, WIDTHS)
        rule = find_rule(spec.hyperparameters, settings_list, counts)
        job = model_job(replace(spec, counts=rule), known)
    except CodegenError as error:
        return Proof(first.failing("source", str(error)), None)
    except NoRuleError as error:
        return Proof(first.failing("parameter_rule", str(error)), None)
    in_model = bench.verify(spec.name, job, spec.defaults())
    return Proof(first, rule) if in_model.passed else Proof(in_model.within_a_model(), None)


def keep(
    spec: ComponentSpec,
    card: Card,
    proof: Proof,
    store: Store,
    workspace: Path,
    *,
    origin: str,
    provenance: Provenance = Provenance.OWN,
    writing: str | None = None,
    files: Mapping[str, str] | None = None,
) -> ComponentRecord:
    """Keep a proved component in a workspace: one commit with its source and card, and one record.

    Keeping the same source and card again makes it the newest version and changes nothing else.

    Args:
        spec: The component.
        card: Its card.
        proof: That it is what its card says.
        store: The workspace's store.
        workspace: Directory of the workspace.
        origin: Where it came from, for people.
        provenance: Where it came from: a person (own), a language model (designed) or a paper.
        writing: Id of the writing that it came from, or None if a person wrote it.
        files: What else its commit holds, by name, such as a transcript.

    Raises:
        UsageError: If it is not proved, or claims to be one of the catalogue's own.
    """
    if proof.rule is None or not proof.passed:
        raise UsageError(f"{spec.slot} {spec.name!r} is not proved: only what passed every check is kept")
    if provenance is Provenance.CATALOGUE:
        raise UsageError(
            f"{spec.slot} {spec.name!r}: what is added is not the catalogue's own: say own, designed or paper"
        )
    version = content_id([spec.source, spec.class_name, card.to_yaml()]).removeprefix("sha256:")[:12]
    commit = CodeRepository(workspace / "code").commit(
        f"{spec.slot}/{spec.name}/{version}",
        {**(files or {}), SOURCE: spec.source, CARD: card.to_yaml()},
        f"{spec.slot} {spec.name}",
        namespace="components",
    )
    record = ComponentRecord(
        slot=str(spec.slot),
        name=spec.name,
        version=version,
        class_name=spec.class_name,
        uses_position=spec.uses_position,
        rule=proof.rule.to_json(),
        checks=tuple(proof.verdict.checks),
        commit=commit,
        origin=origin,
        provenance=str(provenance),
        writing=writing,
    )
    return store.add_component(record)


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
