"""The bytes of the interpreter's own standard library: real code, present on every machine, no download.

Left out are site-packages (differs from one environment to the next) and test directories (several distributions do not
ship them). Of files with the same content only the first by path is kept, so that no duplicate can lie in two splits.
Near copies (the tables of `encodings` are much alike) may: compare losses on it, and do not read them as absolute.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np

from neuramosaic.canonical import content_id
from neuramosaic.errors import DataError
from neuramosaic.tasks.base import SPLITS, Metric, Split, TaskData
from neuramosaic.tasks.settings import LONGEST_SEQUENCE, whole_number

#: Stands between two files. No Python source holds it, so a model can tell where a file ends.
SEPARATOR = b"\0"
#: A machine-made table longer than this teaches nothing about code.
LARGEST_FILE_BYTES = 1 << 20
#: Ends the reading well inside two seconds, whatever has been put beside the standard library.
LARGEST_CORPUS_BYTES = 32 << 20

_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
_VAL_PERCENT = 5
_TEST_PERCENT = 5


class PythonCode:
    """Next-byte prediction on the standard library's .py files, split by file: 90 % train, 5 % val, 5 % test."""

    name = "python-code"
    summary = "bytes of the Python standard library, split by file"
    metric = Metric("val_loss", "nats per byte")
    byte_level = True

    def __init__(self, *, sequence_length: int = 128) -> None:
        self.sequence_length = whole_number("task.sequence_length", sequence_length, 8, LONGEST_SEQUENCE)
        self.sanity: str | None = "a uniform guess over 256 byte values is ln 256 = 5.55 nats per byte (8 bits)"

    def settings(self) -> dict[str, Any]:
        """Return every setting with its value."""
        return {"sequence_length": self.sequence_length}

    def load(self, rng: np.random.Generator) -> TaskData:
        """Read and split the files. `rng` plays no part: where a file goes is decided by its path and content.

        Raises:
            DataError: If this interpreter has no standard library in .py files.
        """
        del rng
        root = Path(sysconfig.get_path("stdlib"))
        return split_files(root, read_files(root), self.sequence_length)


def read_files(root: Path) -> dict[str, bytes]:
    """Return the distinct, non-empty .py files below `root` by relative path, sorted, within the size limits.

    Raises:
        DataError: If there is none.
    """
    files: dict[str, bytes] = {}
    seen: set[bytes] = set()
    total = 0
    for path in _python_files(root):
        if path.stat().st_size > LARGEST_FILE_BYTES or total > LARGEST_CORPUS_BYTES:
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).digest()
        if not content or digest in seen:
            continue
        seen.add(digest)
        files[path.relative_to(root).as_posix()] = content
        total += len(content)
    if not files:
        raise DataError(f"no .py files under {root}: this interpreter's standard library is not there as source")
    return files


def split_files(root: Path, files: dict[str, bytes], sequence_length: int) -> TaskData:
    """Split files by the hash of path and content.

    Raises:
        DataError: If a split is too short for one sequence.
    """
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for path, content in files.items():
        parts[split_of(path, content)].append(path)
    splits = {}
    for split, paths in parts.items():
        stream = SEPARATOR.join(files[path] for path in paths)
        if len(stream) < sequence_length + 1:
            raise DataError(
                f"{root}: its {split} split holds {len(stream)} bytes, sequence_length {sequence_length} needs "
                f"{sequence_length + 1}: choose a shorter sequence_length"
            )
        splits[split] = Split(np.frombuffer(stream, dtype=np.uint8))
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    assert_disjoint({split: {digests[path] for path in paths} for split, paths in parts.items()})
    return TaskData(
        splits=splits,
        vocab_size=256,
        sequence_length=sequence_length,
        corpus=content_id(sorted(digests.items())),
        byte_level=True,
        facts={
            "source": f"Python {platform.python_version()} standard library",
            "files": {split: len(paths) for split, paths in parts.items()},
            "bytes": {split: len(splits[split].tokens) for split in SPLITS},
        },
    )


def split_of(path: str, content: bytes) -> str:
    """Return the split of a file: a pure function of its relative path and content."""
    percent = int.from_bytes(hashlib.sha256(path.encode() + b"\0" + content).digest()[:8], "big") % 100
    if percent < _TEST_PERCENT:
        return "test"
    return "val" if percent < _TEST_PERCENT + _VAL_PERCENT else "train"


def assert_disjoint(contents: dict[str, set[str]]) -> None:
    """Check that no content lies in two splits.

    Raises:
        DataError: If one does; names the two splits.
    """
    for index, first in enumerate(SPLITS):
        for second in SPLITS[index + 1 :]:
            if contents[first] & contents[second]:
                raise DataError(f"the {first} and {second} splits share content: they must be disjoint")


def _python_files(root: Path) -> list[Path]:
    found = []
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _LEFT_OUT)
        found += [Path(directory, name) for name in files if name.endswith(".py")]
    return sorted(path for path in found if path.is_file())
