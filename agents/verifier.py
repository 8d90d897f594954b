"""The verifier: has the ladder run on a component, in the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents.bench import Bench
from agents.component_file import read_component
from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue
from neuramosaic.errors import UsageError
from neuramosaic.verify.catalogue import verification_job


def verify_component(
    target: str,
    known: Catalogue,
    *,
    slot: str | None = None,
    class_name: str | None = None,
    card: Card | None = None,
    backend: str = "auto",
) -> dict[str, Any]:
    """Verify a component of a catalogue, or a module in a file.

    Args:
        target: Name of a component, or path of a `.py` file.
        known: The catalogue.
        slot: Its slot; needed where a name exists in several. "mixer" for a file, if not given.
        class_name: Class in the file; its only `nn.Module` if not given.
        card: What the module in the file is to be; its cost and properties are checked then.
        backend: Sandbox to use.

    Returns:
        `component`, `slot`, `backend`, `verified`, and `checks`: name, passed, message, seconds.

    Raises:
        UnknownNameError: If there is no such component.
        UsageError: If the file cannot be read, the name is ambiguous, or a card is given for a component by name.
        SandboxError: If the sandbox itself failed.
    """
    if target.endswith(".py"):
        spec, card = read_component(Path(target), card, slot=slot, class_name=class_name)
    elif card is not None:
        raise UsageError(f"--card is for a file: {target!r} has its own card")
    else:
        spec = known.find(target, slot)
    work = verification_job(spec, known, properties=card.claims() if card else None)
    with Bench(backend) as bench:
        verdict = bench.verify(spec.name, work, spec.defaults())
        name = bench.name
    return {
        "component": spec.name,
        "slot": str(spec.slot),
        "backend": name,
        "verified": verdict.passed,
        "checks": verdict.checks,
    }
