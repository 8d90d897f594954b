"""What verification says: one typed observation for each rung that was climbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CheckFailed(Exception):
    """Raised by a check. Its text says what was seen and what to change."""


@dataclass(frozen=True)
class Check:
    """One rung.

    Attributes:
        name: Such as "causal".
        passed: Whether it held.
        message: What to change if it failed; empty if it passed.
        seconds: Wall time.
    """

    name: str
    passed: bool
    message: str
    seconds: float


@dataclass(frozen=True)
class VerificationReport:
    """The rungs that were climbed, in order; the last one is the one that failed, if any did.

    Attributes:
        checks: Each with its outcome.
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every rung held."""
        return all(check.passed for check in self.checks)

    @property
    def failure(self) -> Check | None:
        """The rung that failed, or None."""
        return next((check for check in self.checks if not check.passed), None)

    def to_json(self) -> dict[str, Any]:
        """Return `{"passed", "checks": [{"name", "passed", "message", "seconds"}]}`."""
        return {
            "passed": self.passed,
            "checks": [
                {"name": item.name, "passed": item.passed, "message": item.message, "seconds": item.seconds}
                for item in self.checks
            ],
        }
