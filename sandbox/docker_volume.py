"""The output of a container whose files the host cannot open itself.

An ordinary user in the `docker` group, or an engine in a virtual machine, cannot look into a container's file systems;
a plain bind mount would have no quota; and a container's own tmpfs ends with the container. So the output folder is a
tmpfs volume with limits, which a second container (the keeper: same image, runs only a sleeping Python) holds until the
engine has handed its content over as a tar stream.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container
from docker.models.volumes import Volume
from docker.types import Mount

from sandbox.base import Limits
from sandbox.collect import FileStore, Usage
from sandbox.runtime import JOB

_READ_EVERY_S = 1.0
_MAX_METRICS_BYTES = 16 * 2**20
_HEADER_BYTES = 4096
"""Room in the stream for the headers of one file."""
_PAGE = 4096


def create_volume(client: docker.DockerClient, options: str, labels: dict[str, str]) -> Volume:
    """Create a tmpfs volume with mount options such as `size=...,nr_inodes=...`."""
    settings = {"type": "tmpfs", "device": "tmpfs", "o": options.removeprefix("rw,")}
    return client.volumes.create(driver="local", driver_opts=settings, labels=labels)


def start_keeper(client: docker.DockerClient, image: str, mount: Mount, settings: dict[str, Any]) -> Container:
    """Start the container that keeps a volume's content alive."""
    sleep = ["python3", "-S", "-c", "import signal; signal.pause()"]
    keeper: Container = client.containers.run(
        image, sleep, mounts=[mount], pids_limit=4, mem_limit="64m", memswap_limit="64m", **settings
    )
    return keeper


class VolumeOutput:
    """An `Output` that is read through the engine."""

    def __init__(self, keeper: Container, volume: Volume) -> None:
        self._keeper, self._volume = keeper, volume
        self._usage: Usage | None = None
        self._next_read: dict[str, float] = {}

    def read(self, name: str, offset: int, limit: int, *, latest: bool = False) -> bytes:
        """Return a piece of a file; looks once a second, if not for the latest, and returns nothing in between."""
        if not latest and time.monotonic() < self._next_read.get(name, 0.0):
            return b""
        content = b""
        try:
            for _, _, member, tar in self._members(f"{JOB}/out/{name}", _MAX_METRICS_BYTES):
                data = tar.extractfile(member)
                content = data.read(_MAX_METRICS_BYTES) if data is not None else b""
        except docker.errors.NotFound:
            pass
        piece = content[offset : offset + limit]
        # The rest of what is there now may be read at once; for what is not written yet, wait.
        self._next_read[name] = 0.0 if len(piece) == limit else time.monotonic() + _READ_EVERY_S
        return piece

    def usage(self) -> Usage | None:
        """Return what it held when it was collected; while the job runs, the kernel alone keeps the limit."""
        return self._usage

    def collect(self, keep: Path, limits: Limits) -> dict[str, int]:
        """Copy the regular files to `keep`."""
        store = FileStore(keep, limits)
        total = count = 0
        most = limits.output_mib * 2**20 * 2 + (limits.output_files + 16) * _HEADER_BYTES
        for name, size, member, tar in self._members(f"{JOB}/out", most):
            count += 1
            total += -(-size // _PAGE) * _PAGE
            data = tar.extractfile(member) if member.isreg() else None
            if data is not None:
                store.add(name, size, data)
        self._usage = Usage(total, count)
        return store.files

    def close(self) -> None:
        """Remove keeper and volume."""
        try:
            self._keeper.remove(force=True, v=True)
        except docker.errors.NotFound:
            pass
        finally:
            self._volume.remove(force=True)

    def _members(self, path: str, most: int) -> Iterator[tuple[str, int, tarfile.TarInfo, tarfile.TarFile]]:
        """Yield name (relative to the folder), size, entry and archive of everything but folders' own root.

        The stream ends after `most` bytes, whatever it says it holds (a sparse file is sent with its holes).
        """
        chunks, _ = self._keeper.get_archive(path)
        stream = io.BufferedReader(_Capped(chunks, most), 2**20)
        with stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            try:
                for member in tar:
                    parts = PurePosixPath(member.name).parts
                    name = "/".join(parts[1:]) if path == f"{JOB}/out" else "/".join(parts)
                    if name:
                        yield name, member.size, member, tar
            except tarfile.TarError:
                return  # cut off at the cap


class _Capped(io.RawIOBase):
    """A readable stream over the engine's chunks, which ends at a cap."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        super().__init__()
        self._chunks, self._left = iter(chunks), most
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill (part of) a buffer; return how many bytes, 0 at the end."""
        self._rest = self._rest or next(self._chunks, b"")
        with memoryview(buffer) as view:
            piece = self._rest[: min(len(view), self._left)]
            view[: len(piece)] = piece
        self._rest = self._rest[len(piece) :]
        self._left -= len(piece)
        return len(piece)
