"""The verifier: has the ladder run on a component, in the sandbox."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path
from typing import Any

from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import ComponentSpec, CostClass, Provenance, Slot
from neuramosaic.errors import SandboxError, UnknownNameError, UsageError
from neuramosaic.verify.catalogue import verification_job
from sandbox.base import Job, Limits, SandboxConfig
from sandbox.outcome import TrialFailure, read_trial_result
from sandbox.registry import create_sandbox

LIMITS = Limits(wall_s=120.0, memory_mib=2048, cpus=1.0)


def verify_component(
    target: str,
    *,
    slot: str | None = None,
    class_name: str | None = None,
    backend: str = "auto",
) -> dict[str, Any]:
    """Verify a component of the catalogue, or a module in a file.

    Args:
        target: Name of a component, or path of a `.py` file.
        slot: Its slot; needed where a name exists in several. "mixer" for a file, if not given.
        class_name: Class in the file; its only `nn.Module` if not given.
        backend: Sandbox to use.

    Returns:
        `component`, `slot`, `backend`, `verified`, and `checks`: name, passed, message, seconds.

    Raises:
        UnknownNameError: If there is no such component.
        UsageError: If the file cannot be read, or the name is ambiguous.
        SandboxError: If the sandbox failed, or the code brought its worker down before there was a verdict.
    """
    spec = _from_file(Path(target), slot, class_name) if target.endswith(".py") else _from_catalogue(target, slot)
    work = verification_job(spec, catalogue())
    with tempfile.TemporaryDirectory(prefix="neuramosaic-verify-") as scratch:
        sandbox = create_sandbox(
            backend,
            SandboxConfig(limits=LIMITS, allow_process=backend == "process", scratch=Path(scratch) / "scratch"),
        )
        sandbox.start()
        try:
            job = Job(f"verify-{spec.name}", work.request, work.files)
            outcome = sandbox.run(job, limits=LIMITS, keep=Path(scratch) / "out")
        finally:
            sandbox.stop()
        read = read_trial_result(outcome)
    verification = (read.partial if isinstance(read, TrialFailure) else read).verification
    if verification is None:
        reason = read.reason if isinstance(read, TrialFailure) else "no verdict"
        raise SandboxError(f"{spec.name} could not be verified: {reason}")
    return {
        "component": spec.name,
        "slot": str(spec.slot),
        "backend": sandbox.name,
        "verified": verification.passed,
        "checks": [check.model_dump() for check in verification.checks],
    }


def _from_catalogue(name: str, slot: str | None) -> ComponentSpec:
    known = catalogue()
    if slot is not None:
        return known.get(slot, name)
    found = [spec for spec in known.specs if spec.name == name]
    if not found:
        raise UnknownNameError("component", name, (spec.name for spec in known.specs))
    if len(found) > 1:
        raise UsageError(f"{name!r} exists as {' and '.join(spec.slot for spec in found)}: say which with --slot")
    return found[0]


def _from_file(path: Path, slot: str | None, class_name: str | None) -> ComponentSpec:
    if slot is not None and slot not in tuple(Slot):
        raise UnknownNameError("slot", slot, map(str, Slot))
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    if class_name is None:
        class_name = _only_module(source, path)
    return ComponentSpec(
        name=class_name.lower(),
        slot=Slot(slot) if slot else Slot.MIXER,
        class_name=class_name,
        summary=f"{class_name} of {path.name}",
        source=source,
        cost=CostClass.QUADRATIC,  # the loosest: a file by itself declares nothing
        provenance=Provenance.DESIGNED,
    )


def _only_module(source: str, path: Path) -> str:
    """Return the name of the only class of a file that derives from a Module; the file is parsed, never run."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UsageError(f"{path} is not Python: line {error.lineno}: {error.msg}") from error
    names = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Module") for base in node.bases)
    ]
    if len(names) != 1:
        raise UsageError(f"{path} has {len(names)} classes that derive from nn.Module: say which with --class")
    return names[0]
