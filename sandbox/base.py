"""The seam between the laboratory and the place where untrusted code runs.

A job is a set of small input files plus, optionally, a read-only data directory; an outcome is how the process ended
plus the regular files it left. Backends implement `Sandbox`; the worker inside is `sandbox.worker`.

Directory protocol inside the sandbox::

    /job/in/     read-only: job.json, model.py ...; the file `ready` appears last, and starts the worker
    /job/data/   read-only: what `SandboxConfig.data_dir` holds (train.bin, val.bin ...)
    /job/out/    writable, capped in bytes and inodes: metrics.jsonl, result.json, weights.safetensors; `.warm` from the
                 moment the worker could take a job until it does
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class Exit(StrEnum):
    """How a job ended."""

    FINISHED = "finished"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    KILLED = "killed"


@dataclass(frozen=True)
class Limits:
    """What one job may use. Enforced by killing.

    Attributes:
        wall_s: Seconds from the moment the job is handed over.
        memory_mib: Resident memory, swap included.
        cpus: Processor share; also the number of torch threads.
        pids: Processes and threads.
        output_mib: Bytes under the output folder.
        output_files: Inodes under the output folder.
        stdio_kib: KiB of stdout and of stderr kept; more than 16 times that is an output-limit kill.
    """

    wall_s: float = 600.0
    memory_mib: int = 2048
    cpus: float = 1.0
    pids: int = 64
    output_mib: int = 64
    output_files: int = 64
    stdio_kib: int = 64


@dataclass(frozen=True)
class Job:
    """One piece of untrusted work.

    Attributes:
        name: For people and labels, such as a trial id.
        files: Input files by plain name (no slashes); `job.json` is written from `request`.
        request: What the worker is to do; JSON.
    """

    name: str
    request: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a job ended and what it left. Nothing in here is trusted but `exit`, `exit_code` and `seconds`.

    Attributes:
        backend: Name of the backend that ran it.
        exit: How it ended.
        exit_code: Of the process; None if it did not end by itself.
        seconds: Wall time from hand-over to end.
        stdout_tail: Last part of its output, decoded with replacement, without control characters.
        stderr_tail: Likewise.
        files: Regular files of the output folder by relative path: size in bytes. Links, devices, pipes: left out.
        directory: Where copies of those files lie on the host, if kept.
        image: Digest of the image or description of the root that it ran in.
        reason: Why it was ended, for people, such as "out of memory: more than 2048 MiB"; empty if it ended by itself.
    """

    backend: str
    exit: Exit
    exit_code: int | None
    seconds: float
    stdout_tail: str = ""
    stderr_tail: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    directory: Path | None = None
    image: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class SandboxConfig:
    """What a backend needs to know before its first job.

    Attributes:
        data_dir: Directory that every job sees, read-only, as `/job/data`; None for none.
        workers: Jobs that run at once; one worker more is kept pre-started.
        limits: What pre-started workers are made for. A job with other limits (wall time apart) gets a fresh worker.
        allow_process: Whether `process`, which confines nothing, may be used.
        scratch: Directory for job folders; a temporary one if None.
        label: Whose workers these are, such as a study id. Left-overs of a killed process are found by it.
    """

    data_dir: Path | None = None
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    allow_process: bool = False
    scratch: Path | None = None
    label: str = "neuramosaic"


class Sandbox(Protocol):
    """A place where untrusted code runs. `run` may be called from several threads at once.

    The contract (`test_sandboxes.py` and `test_hostile_programs.py` in `tests/contract/`): a worker runs one job and is
    thrown away; limits are enforced by killing the whole process tree; nothing the job leaves behind outlives `run`;
    `stop` ends everything, also jobs that are running, whose `run` then returns `Exit.KILLED`.
    """

    name: str

    def start(self) -> None:
        """Check that the backend works and begin to pre-start workers.

        Raises:
            SandboxUnavailableError: If it cannot run here.
        """
        ...

    def run(
        self,
        job: Job,
        *,
        limits: Limits,
        keep: Path,
        cancel: threading.Event | None = None,
        on_metrics: Callable[[dict[str, Any]], None] | None = None,
    ) -> Outcome:
        """Run one job to its end.

        Args:
            job: What to run.
            limits: What it may use.
            keep: Directory (made if absent) that receives copies of the regular files the job left. Whatever else is
                in it is removed first, such as what an earlier attempt left.
            cancel: When set, the job is killed and the outcome says `Exit.KILLED`.
            on_metrics: Called, from the calling thread, with each complete JSON object of `metrics.jsonl` as it appears
                (untrusted: the rows that `MetricsTail` describes, other lines are dropped).
        """
        ...

    def stop(self) -> None:
        """End every worker and remove what was made on the host. May be called twice."""
        ...
