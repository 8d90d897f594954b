"""The bench: one sandbox on which components are verified and counted, one job after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from neuramosaic.components.rule import NoRuleError
from neuramosaic.components.spec import ComponentSpec
from neuramosaic.errors import SandboxError
from neuramosaic.verify.catalogue import VerificationJob
from sandbox.base import Job, Limits, Outcome, SandboxConfig
from sandbox.outcome import TrialFailure, read_counts, read_trial_result
from sandbox.registry import create_sandbox

LIMITS = Limits(wall_s=120.0, memory_mib=2048, cpus=1.0)


@dataclass(frozen=True)
class Verdict:
    """What the ladder said.

    Attributes:
        passed: Whether every check held.
        checks: `name`, `passed`, `message`, `seconds` of each.
        hyperparameters: With which settings.
    """

    passed: bool
    checks: list[dict[str, Any]]
    hyperparameters: dict[str, Any]

    def failing(self, name: str, message: str) -> Verdict:
        """Return it with one more check, which failed."""
        check = {"name": name, "passed": False, "message": message, "seconds": 0.0}
        return replace(self, passed=False, checks=[*self.checks, check])

    def within_a_model(self) -> Verdict:
        """Return it with messages that say that the component was part of a model."""
        checks = [
            check if check["passed"] else {**check, "message": f"in a small model: {check['message']}"}
            for check in self.checks
        ]
        return replace(self, checks=checks)


class Bench:
    """A sandbox, started on entry and stopped on exit.

    Args:
        backend: Which; `process`, which confines nothing, only where it is named.
    """

    def __init__(self, backend: str) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="neuramosaic-verify-")
        self._jobs = 0
        try:
            self._sandbox = create_sandbox(
                backend,
                SandboxConfig(
                    limits=LIMITS,
                    allow_process=backend == "process",
                    scratch=Path(self._scratch.name) / "scratch",
                ),
            )
        except BaseException:
            self._scratch.cleanup()
            raise

    @property
    def name(self) -> str:
        """The backend that is used."""
        return self._sandbox.name

    def __enter__(self) -> Bench:
        try:
            self._sandbox.start()
        except BaseException:
            self._scratch.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sandbox.stop()
        self._scratch.cleanup()

    def verify(self, name: str, work: VerificationJob, hyperparameters: Mapping[str, Any]) -> Verdict:
        """Have the ladder climbed.

        Raises:
            SandboxError: If the sandbox failed, or the code brought its worker down before there was a verdict.
        """
        read = read_trial_result(self._run(name, work.request, work.files))
        verification = (read.partial if isinstance(read, TrialFailure) else read).verification
        if verification is None:
            reason = read.reason if isinstance(read, TrialFailure) else "no verdict"
            raise SandboxError(f"{name} could not be verified: {reason}")
        checks = [check.model_dump() for check in verification.checks]
        passed = verification.passed and all(check.passed for check in verification.checks)
        return Verdict(passed, checks, dict(hyperparameters))

    def count(
        self, spec: ComponentSpec, settings: Sequence[Mapping[str, Any]], widths: Sequence[int]
    ) -> list[list[int]]:
        """Have a component's parameters counted, for each setting at each width.

        Raises:
            NoRuleError: If it cannot be built at all of them.
        """
        request = {
            "kind": "count_component",
            "seed": 0,
            "threads": 1,
            "device": "cpu",
            "class_name": spec.class_name,
            "settings": [dict(setting) for setting in settings],
            "widths": list(widths),
        }
        read = read_counts(self._run(spec.name, request, {"component.py": spec.source.encode()}))
        if isinstance(read, TrialFailure):
            raise NoRuleError(f"it cannot be built at every width from {widths[0]} to {widths[-1]}: {read.reason}")
        return read

    def _run(self, name: str, request: Mapping[str, Any], files: Mapping[str, bytes]) -> Outcome:
        self._jobs += 1
        job = Job(f"verify-{name}", request, files)
        keep = Path(self._scratch.name) / f"out-{self._jobs}"
        return self._sandbox.run(job, limits=LIMITS, keep=keep)
