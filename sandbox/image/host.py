"""An image out of the host's own interpreter and packages, streamed to the engine as one layer."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import py_compile
import struct
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from neuramosaic.errors import SandboxError
from sandbox.runtime import CODE, JOB, SANDBOX_UID, SITE, interpreter, required_distributions, standard_library

_CHUNK = 2**20
_SKIPPED_STDLIB = frozenset(
    {"site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}
)
_SKIPPED_PACKAGE_FOLDERS = frozenset({"include", "share", "tests"})
_SKIPPED_SUFFIXES = (".a", ".h", ".hpp", ".cuh", ".pyi", ".pth")


def import_host(client: docker.DockerClient, tag: str, say: Any) -> None:
    """Make the image `tag` from what is installed here.

    Raises:
        SandboxError: If the engine refuses it.
    """
    say("packing this machine's Python and PyTorch into a container image")
    repository, _, version = tag.partition(":")
    changes = [
        "ENV PATH=/opt/neuramosaic/bin:/usr/local/bin:/usr/bin:/bin",
        f"ENV PYTHONPATH={SITE}",
        f"USER {SANDBOX_UID}:{SANDBOX_UID}",
        "WORKDIR /tmp",
    ]
    answer = client.api.import_image_from_data(_stream(), repository=repository, tag=version, changes=changes)
    for line in str(answer).splitlines():
        if "error" in (said := json.loads(line)):
            raise SandboxError(f"the engine refused the image: {said['error']}")


def _stream() -> Iterator[bytes]:
    """Yield the tar of the root file system, made in a thread as it is taken."""
    read, write = os.pipe()
    failure: list[BaseException] = []

    def produce() -> None:
        try:
            with open(write, "wb") as sink, tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                RootWriter(tar).write()
        except BrokenPipeError:
            pass  # the engine hung up, and says why itself
        except (OSError, subprocess.SubprocessError, py_compile.PyCompileError) as error:
            failure.append(error)

    producer = threading.Thread(target=produce, name="image-tar", daemon=True)
    producer.start()
    with open(read, "rb") as source:
        while data := source.read(_CHUNK):
            yield data
    producer.join()
    if failure:
        raise SandboxError(f"packing the image failed: {failure[0]}") from failure[0]


class RootWriter:
    """Writes a root file system that holds an interpreter, its packages and the libraries they link."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._written: set[str] = set()
        self._binaries: list[Path] = []

    def write(self) -> None:
        """Write everything."""
        for link in ("/bin", "/sbin", "/lib", "/lib64"):
            if os.path.islink(link):
                self._symlink(link, os.readlink(link))
        for folder in ("/tmp", CODE, f"{JOB}/in", f"{JOB}/data", f"{JOB}/out"):
            self._folder(folder)
        python, stdlib = interpreter(), standard_library()
        self._file(python, str(python))
        self._symlink("/opt/neuramosaic/bin/python3", str(python))
        self._tree(stdlib, str(stdlib), _SKIPPED_STDLIB)
        for distribution in required_distributions():
            for entry in distribution.entries:
                if entry.is_dir():
                    self._tree(entry, f"{SITE}/{entry.name}", _SKIPPED_PACKAGE_FOLDERS)
                else:
                    self._file(entry, f"{SITE}/{entry.name}")
        packed = (stdlib, *{entry for package in required_distributions() for entry in package.entries})
        for library in linked_libraries(self._binaries):
            if not any(library.is_relative_to(root) for root in packed):
                self._file(library, str(library.parent.resolve() / library.name))
        cache = Path("/etc/ld.so.cache")
        if cache.exists():
            self._file(cache, str(cache))

    def _tree(self, source: Path, target: str, skipped: frozenset[str]) -> None:
        for folder, folders, files in os.walk(source):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if name not in skipped and name != "__pycache__")
            place = target if here == source else f"{target}/{here.relative_to(source)}"
            for name in sorted(files):
                self._file(here / name, f"{place}/{name}")

    def _file(self, source: Path, target: str) -> None:
        """Write one file with what its link, if it is one, points to; with its bytecode, if it is Python."""
        if target in self._written or not source.is_file() or source.name.endswith(_SKIPPED_SUFFIXES):
            return
        self._written.add(target)
        self._folder(os.path.dirname(target))
        status = source.stat()
        info = self._info(target, 0o755 if status.st_mode & 0o111 else 0o644)
        info.size, info.mtime = status.st_size, int(status.st_mtime)
        with source.open("rb") as data:
            if data.read(4) == b"\x7fELF":
                self._binaries.append(source)
            data.seek(0)
            self._tar.addfile(info, data)
        if source.suffix == ".py":
            self._bytecode(source, target, status)

    def _bytecode(self, source: Path, target: str, status: os.stat_result) -> None:
        cached = Path(importlib.util.cache_from_source(str(source)))
        data = cached.read_bytes() if cached.exists() else b""
        if data[4:16] != struct.pack("<III", 0, int(status.st_mtime), status.st_size & 0xFFFFFFFF):
            data = _compiled(source, target)
        if data:
            info = self._info(importlib.util.cache_from_source(target), 0o644)
            info.size, info.mtime = len(data), int(status.st_mtime)
            self._folder(os.path.dirname(info.name))
            self._tar.addfile(info, io.BytesIO(data))

    def _folder(self, path: str) -> None:
        path = path.strip("/")
        if not path or path in self._written:
            return
        self._folder(os.path.dirname(path))
        self._written.add(path)
        info = self._info(path, 0o1777 if path == "tmp" else 0o755)
        info.type = tarfile.DIRTYPE
        self._tar.addfile(info)

    def _symlink(self, path: str, to: str) -> None:
        self._folder(os.path.dirname(path))
        info = self._info(path, 0o777)
        info.type, info.linkname = tarfile.SYMTYPE, to
        self._tar.addfile(info)
        # Later files are written below the real folder, never through the link.
        self._written.add(path.strip("/"))

    @staticmethod
    def _info(path: str, mode: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(path.strip("/"))
        info.mode = mode  # owner and group stay 0: nothing in the image is the job's own
        return info


def _compiled(source: Path, target: str) -> bytes:
    """Return bytecode that never looks at its source; empty for a file that is not meant to compile here."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "x.pyc"
        try:
            py_compile.compile(
                str(source),
                cfile=str(made),
                dfile=target,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            return b""  # packages carry templates and code for other versions of Python
        return made.read_bytes()


def linked_libraries(binaries: list[Path]) -> list[Path]:
    """Return the shared libraries (and the dynamic loader) that programs and libraries are linked to.

    Args:
        binaries: ELF files; trusted ones: the loader maps them.
    """
    found: set[Path] = set()
    for start in range(0, len(binaries), 50):
        listing = subprocess.run(
            ["ldd", *map(str, binaries[start : start + 50])],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            check=False,  # it fails if one of the files is linked to nothing
        )
        for line in listing.stdout.splitlines():
            if "(0x" in line:
                path = line.split("=>")[-1].split("(0x")[0].strip()
                if path.startswith("/"):
                    found.add(Path(path))
    return sorted(found)
