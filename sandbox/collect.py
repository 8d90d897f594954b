"""Reading the folder that untrusted code wrote into.

Everything is opened relative to a descriptor of the folder, never by a path that the job could have bent; links, pipes,
sockets and devices are left where they are; sizes and counts are capped whatever the folder claims.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neuramosaic.errors import SandboxError
from sandbox.base import Limits
from sandbox.metrics import Readable

MAX_DEPTH = 8
SLACK_BYTES = 64 * 1024
"""How much larger than the limit a capped file system is made, so that going over the limit can be seen."""
SLACK_FILES = 8

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Usage:
    """What an output folder holds.

    Attributes:
        bytes: Space taken, in bytes.
        files: Inodes taken, the folder itself not counted.
    """

    bytes: int
    files: int

    def exceeds(self, limits: Limits) -> str:
        """Return why this is more than the limits allow, for people; empty if it is not."""
        if self.bytes > limits.output_mib * 2**20:
            return f"output limit: more than {limits.output_mib} MiB in the output folder"
        if self.files > limits.output_files:
            return f"output limit: more than {limits.output_files} files in the output folder"
        return ""


class Output(Readable, Protocol):
    """The host's view of `/job/out`."""

    def usage(self) -> Usage | None:
        """Return what it holds; None if that cannot be told at the moment."""
        ...

    def collect(self, keep: Path, limits: Limits) -> dict[str, int]:
        """Copy the regular files to `keep`, emptied first; return relative path: size in bytes."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class OutputDirectory:
    """An output folder that the host holds a descriptor of.

    The descriptor keeps a file system alive that the sandbox alone had mounted, after the sandbox has ended.
    """

    def __init__(self, descriptor: int, *, own_file_system: bool) -> None:
        """Take over an open directory.

        Args:
            descriptor: Of the folder; closed by `close`.
            own_file_system: Whether the folder is a file system of its own, which can be asked what it holds.
        """
        self._fd = descriptor
        self._own_file_system = own_file_system

    def read(self, name: str, offset: int, limit: int, *, latest: bool = False) -> bytes:
        """Return up to `limit` bytes of a file directly in the folder; empty if absent or no regular file."""
        del latest  # it always is
        fd = _open_regular(name, self._fd)
        if fd is None:
            return b""
        try:
            return os.pread(fd, limit, offset)
        finally:
            os.close(fd)

    def usage(self) -> Usage:
        """Return what the folder holds."""
        if self._own_file_system:
            known = os.fstatvfs(self._fd)
            return Usage((known.f_blocks - known.f_bfree) * known.f_frsize, known.f_files - known.f_ffree - 1)
        total = count = 0
        for _, info, fd in _walk(self._fd, "", 0):
            if fd is not None:
                os.close(fd)
            total, count = total + info.st_blocks * 512, count + 1
        return Usage(total, count)

    def collect(self, keep: Path, limits: Limits) -> dict[str, int]:
        """Copy the regular files to `keep`, never more bytes or files than the limits allow."""
        store = FileStore(keep, limits)
        for name, info, fd in _walk(self._fd, "", 0):
            if fd is None:
                continue
            with os.fdopen(fd, "rb") as source:
                store.add(name, info.st_size, source)
        return store.files

    def close(self) -> None:
        """Close the descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Source(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        ...


class FileStore:
    """Copies untrusted files into a host folder under their (checked) relative names."""

    def __init__(self, keep: Path, limits: Limits) -> None:
        """Make the folder, or empty it.

        Args:
            keep: The folder.
            limits: How many bytes and files are copied at most.

        Raises:
            SandboxError: If `keep` is a link or a file.
        """
        _make_empty(keep)
        self.files: dict[str, int] = {}
        self._keep = keep
        self._max_files = limits.output_files
        self._bytes_left = limits.output_mib * 2**20

    def add(self, name: str, size: int, source: Source) -> None:
        """Copy one file, unless its name is odd or it would go over a limit."""
        if not plain_path(name) or size > self._bytes_left or len(self.files) >= self._max_files:
            return
        target = self._keep / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except (FileExistsError, NotADirectoryError):
            return  # two names that differ in the job's file system are one in the host's, which ignores case
        left = size
        with open(descriptor, "wb") as sink:
            while left > 0 and (data := source.read(min(left, 2**20))):
                sink.write(data)
                left -= len(data)
        self.files[name] = size - left
        self._bytes_left -= size - left


def _make_empty(folder: Path) -> None:
    """Make a folder, or remove everything in it: links themselves, never what they lead to."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SandboxError(f"{folder} is not a folder: the files of a job are kept in one of their own")
    folder.mkdir(parents=True, exist_ok=True)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


def plain_path(name: str) -> bool:
    """Whether a relative path is short, printable and stays below its folder."""
    parts = name.split("/")
    return (
        len(name.encode("utf-8", "surrogateescape")) <= 255
        and name.isprintable()
        and len(parts) <= MAX_DEPTH
        and all(part not in ("", ".", "..") for part in parts)
    )


def _open_regular(name: str, folder: int) -> int | None:
    """Open a file below an open folder, or None if it is absent, unreadable or no regular file."""
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _walk(folder: int, prefix: str, depth: int) -> Iterator[tuple[str, os.stat_result, int | None]]:
    """Yield relative name, status and, for regular files, an open descriptor (the caller closes it)."""
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in names:
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            continue
        regular = stat.S_ISREG(info.st_mode)
        fd = _open_regular(name, folder) if regular else None
        yield prefix + name, (os.fstat(fd) if fd is not None else info), fd
        if is_folder and depth + 1 < MAX_DEPTH:
            try:
                inner = os.open(name, _FOLDER, dir_fd=folder)
            except OSError:
                continue
            try:
                yield from _walk(inner, f"{prefix}{name}/", depth + 1)
            finally:
                os.close(inner)
