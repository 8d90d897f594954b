"""A sandbox for tests: no process at all, outcomes as scripted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.base import Exit, Job, Limits, Outcome

_NO_TENSORS = (2).to_bytes(8, "little") + b"{}"
"""The smallest valid safetensors file."""


@dataclass
class ScriptedSandbox:
    """Answers each job with what `script` returns for it.

    Attributes:
        script: From a job to `result.json`, or to the exit that it comes to; may raise what a sandbox would raise. With
            an answer that has a training come weights, of no tensors.
        delay_s: From a job to the seconds that it takes; a cancelled job ends early.
        jobs: The jobs run, in the order of their ends.
    """

    script: Callable[[Job], Mapping[str, Any] | Exit]
    delay_s: Callable[[Job], float] = lambda job: 0.0
    jobs: list[Job] = field(default_factory=list)
    name: str = "scripted"

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def run(
        self,
        job: Job,
        *,
        limits: Limits,
        keep: Path,
        cancel: threading.Event | None = None,
        on_metrics: Callable[[dict[str, Any]], None] | None = None,
    ) -> Outcome:
        """Answer as scripted."""
        begin = time.monotonic()
        if (cancel or threading.Event()).wait(self.delay_s(job)):
            return Outcome(self.name, Exit.KILLED, None, time.monotonic() - begin)
        answer = self.script(job)
        self.jobs.append(job)
        if isinstance(answer, Exit):
            return Outcome(self.name, answer, 1, time.monotonic() - begin)
        keep.mkdir(parents=True, exist_ok=True)
        left = {"result.json": json.dumps(answer).encode()}
        if answer.get("training") is not None:
            left["weights.safetensors"] = _NO_TENSORS
        for name, data in left.items():
            (keep / name).write_bytes(data)
        files = {name: len(data) for name, data in left.items()}
        return Outcome(self.name, Exit.FINISHED, 0, time.monotonic() - begin, files=files, directory=keep)
