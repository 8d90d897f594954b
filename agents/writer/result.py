"""What comes of having a component written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neuramosaic.store.records import ComponentRecord


@dataclass(frozen=True)
class Failure:
    """A candidate that did not pass.

    Attributes:
        check: The check that it failed.
        message: What was wrong.
    """

    check: str
    message: str

    def to_json(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return {"check": self.check, "message": self.message}


@dataclass(frozen=True)
class Written:
    """A component that was asked for.

    Attributes:
        name: Name on its card.
        verified: Whether it exists now.
        attempts: Candidates that were checked.
        tokens: Tokens of all calls, in and out, as the server counted them.
        seconds: Wall time.
        failures: Of the candidates that did not pass, in order.
        depth: How it was written: equations (the card's own, read by rule), sketch (its forward pass, by the model)
            or code (its class, by the model); None unless verified.
        component: Its record; None unless verified.
        file: Its source, in a file of the workspace; None unless verified.
        writing: Id of its record among the writings.
        remembered: Whether it was not asked for again because the same had failed before.
    """

    name: str
    verified: bool
    attempts: int
    tokens: int
    seconds: float
    failures: tuple[Failure, ...] = ()
    depth: str | None = None
    component: ComponentRecord | None = field(default=None, repr=False)
    file: Path | None = None
    writing: str | None = None
    remembered: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as programs may rely on it (`component write --json`)."""
        return {
            "name": self.name,
            "verified": self.verified,
            "attempts": self.attempts,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "failures": [failure.to_json() for failure in self.failures],
            "depth": self.depth,
            "version": self.component.version if self.component else None,
            "file": str(self.file) if self.file else None,
            "writing": self.writing,
            "remembered": self.remembered,
        }
