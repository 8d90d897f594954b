"""The bench: one sandbox on which components are verified and counted, several at once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from neuramosaic.components.rule import NoRuleError
from neuramosaic.components.spec import ComponentSpec
from neuramosaic.errors import SandboxError
from neuramosaic.verify.catalogue import VerificationJob
from sandbox.base import Exit, Job, Limits, Outcome, SandboxConfig
from sandbox.outcome import TrialFailure, read_counts, read_trial_result
from sandbox.registry import create_sandbox

LIMITS = Limits(wall_s=120.0, memory_mib=2048, cpus=1.0)

_REMEDY = "let the code neither end its process nor start others, and return from every call"
_REMEDIES = {
    Exit.TIMEOUT: "let no loop run over positions one by one, and none without an end",
    Exit.OUT_OF_MEMORY: "keep no tensor much larger than (B, T, D): no (B, T, T, D), no state for every position",
}


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
    """A sandbox, started on entry and stopped on exit. `verify` and `count` may be called from several threads.

    Args:
        backend: Which; `process`, which confines nothing, only where it is named.
        workers: Jobs that run at once, each on a pre-started worker of its own; further ones wait.
    """

    def __init__(self, backend: str, workers: int = 1) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="neuramosaic-verify-")
        self._free = threading.BoundedSemaphore(workers)
        self._closed = threading.Event()
        try:
            self._sandbox = create_sandbox(
                backend,
                SandboxConfig(
                    workers=workers,
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
        self._closed.set()
        self._sandbox.stop()
        self._scratch.cleanup()

    def verify(self, name: str, work: VerificationJob, hyperparameters: Mapping[str, Any]) -> Verdict:
        """Have the ladder climbed.

        Code that ends its process, or uses more memory or time than it may, has failed the check `finished`.

        Raises:
            SandboxError: If the sandbox itself failed, or the bench was closed meanwhile.
        """
        with self._outcome(name, work.request, work.files) as outcome:
            read = read_trial_result(outcome)
        result = read.partial if isinstance(read, TrialFailure) else read
        checks = [check.model_dump() for check in result.verification.checks] if result.verification else []
        if isinstance(read, TrialFailure) and read.exit is not Exit.FINISHED:
            # What is written down as failed is the check that it did not return from.
            at = f"during {checks.pop()['name']}: " if checks and not checks[-1]["passed"] else ""
            return Verdict(True, checks, dict(hyperparameters)).failing(
                "finished", f"{at}{read.reason}; {_REMEDIES.get(read.exit, _REMEDY)}"
            )
        verdict = Verdict(all(check["passed"] for check in checks), checks, dict(hyperparameters))
        if isinstance(read, TrialFailure) and verdict.passed:
            return verdict.failing("finished", f"{read.reason}; {_REMEDY}")
        return verdict

    def count(
        self, spec: ComponentSpec, settings: Sequence[Mapping[str, Any]], widths: Sequence[int]
    ) -> list[list[int]]:
        """Have a component's parameters counted, for each setting at each width.

        Raises:
            NoRuleError: If it cannot be built at all of them.
            SandboxError: If the sandbox itself failed, or the bench was closed meanwhile.
        """
        request = {
            "kind": "count_component",
            "seed": 0,
            "threads": 1,
            "device": "cpu",
            "slot": str(spec.slot),
            "class_name": spec.class_name,
            "settings": [dict(setting) for setting in settings],
            "widths": list(widths),
        }
        with self._outcome(spec.name, request, {"component.py": spec.source.encode()}) as outcome:
            read = read_counts(outcome)
        if isinstance(read, TrialFailure):
            raise NoRuleError(f"it cannot be built at every width from {widths[0]} to {widths[-1]}: {read.reason}")
        return read

    @contextmanager
    def _outcome(self, name: str, request: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[Outcome]:
        """Run a job; what it left lies on the disk only within the context: candidates are many."""
        job = Job(f"verify-{name}", request, files)
        with self._free, tempfile.TemporaryDirectory(prefix="out-", dir=self._scratch.name) as keep:
            outcome = self._sandbox.run(job, limits=LIMITS, keep=Path(keep))
            if outcome.exit is Exit.KILLED and self._closed.is_set():
                raise SandboxError(f"the bench was closed before there was a verdict on {name}")
            yield outcome
