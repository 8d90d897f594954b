"""The host's side of a job folder: identity of its owner, input files, left-overs of killed processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from neuramosaic.errors import InvalidValueError, SandboxError
from sandbox.base import Job

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = ("job.json", "ready")


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same number.

    Attributes:
        host: Name of the machine.
        pid: Process id.
        born_ms: When it started, Unix time in milliseconds.
    """

    host: str
    pid: int
    born_ms: int

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), int(psutil.Process().create_time() * 1000))

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read what `str` wrote; None if it is something else."""
        host, _, rest = text.rpartition("@")
        pid, _, born = rest.partition("-")
        return cls(host, int(pid), int(born)) if host and pid.isdigit() and born.isdigit() else None

    @property
    def gone(self) -> bool:
        """Whether it is known to have ended: of this machine, and no such process lives."""
        if self.host != socket.gethostname():
            return False
        try:
            born_ms = int(psutil.Process(self.pid).create_time() * 1000)
        except psutil.NoSuchProcess:
            return True
        return abs(born_ms - self.born_ms) > 1000

    def __str__(self) -> str:
        return f"{self.host}@{self.pid}-{self.born_ms}"


class Scratch:
    """A private folder of one backend of this process; those of processes that were killed are removed."""

    def __init__(self, parent: Path | None, backend: str) -> None:
        self.owner = Owner.current()
        self._parent = parent or Path(tempfile.gettempdir()) / f"neuramosaic-{os.getuid()}"
        self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._parent.stat().st_uid != os.getuid():
            raise SandboxError(f"{self._parent} belongs to another user: name another scratch folder")
        self._prefix = f"sandbox-{backend}-"
        self._remove_orphans()
        self.path = Path(tempfile.mkdtemp(prefix=f"{self._prefix}{self.owner}-", dir=self._parent)).resolve()
        # The sandboxed user, another one, must be able to pass; the parent keeps other users of the host out.
        self.path.chmod(0o755)

    def _remove_orphans(self) -> None:
        for entry in self._parent.glob(f"{self._prefix}*"):
            owner = Owner.parse(entry.name.removeprefix(self._prefix).rpartition("-")[0])
            if owner is not None and owner.gone:
                shutil.rmtree(entry, ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)


class InputDirectory:
    """The folder that a worker sees read-only as `/job/in`."""

    def __init__(self, path: Path) -> None:
        """Make it.

        Args:
            path: `in` in a job folder that belongs to this job alone.
        """
        path.mkdir(parents=True)
        path.chmod(0o755)
        self.path = path

    def hand_over(self, job: Job) -> None:
        """Write the job's files, and `ready` last, which starts the worker.

        Raises:
            InvalidValueError: If a file name is not plain, or the request is not JSON.
        """
        for name, data in job.files.items():
            if not _PLAIN_NAME.fullmatch(name) or name in _RESERVED:
                raise InvalidValueError("job.files", name, "a plain file name other than job.json and ready")
            self._write(name, data)
        try:
            request = json.dumps(dict(job.request), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidValueError("job.request", str(error), "plain JSON values, finite numbers") from error
        self._write("job.json", request.encode())
        self._write("ready", b"")

    def remove(self) -> None:
        """Delete the whole job folder that it is part of."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def _write(self, name: str, data: bytes) -> None:
        target = self.path / name
        target.write_bytes(data)
        target.chmod(0o444)


def require_readable(directory: Path) -> None:
    """Check that the sandboxed user, whom the host knows as "other", can read a data directory.

    Raises:
        SandboxError: Naming the first file that it could not read.
    """
    for path in (directory, *sorted(directory.rglob("*"))):
        mode = path.stat().st_mode
        needed = 0o005 if stat.S_ISDIR(mode) else 0o004
        if mode & needed != needed:
            raise SandboxError(f"the sandbox could not read {path}: run `chmod -R o+rX {directory}`")
