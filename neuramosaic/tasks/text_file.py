"""Anyone's own UTF-8 text, byte by byte: the first 80 % to train on, the next 10 % to validate, the last 10 % to test.

The splits are contiguous, so that no window of one overlaps a window of another; a text that repeats itself
still repeats itself across them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from neuramosaic.canonical import content_id
from neuramosaic.errors import DataError
from neuramosaic.tasks.base import Metric, Split, TaskData
from neuramosaic.tasks.settings import LONGEST_SEQUENCE, whole_number

LARGEST_FILE_BYTES = 1 << 30


class TextFile:
    """Next-byte prediction on one text file.

    Args:
        path: The file, UTF-8.
        sequence_length: T, in bytes.
        val_percent: Share of the bytes held out for validation.
        test_percent: Share of the bytes held out for the test, at the end of the file.
    """

    summary = "bytes of your own UTF-8 text: 80 % train, then 10 % val, then 10 % test"
    metric = Metric("val_loss", "nats per byte")
    byte_level = True

    def __init__(self, path: str, *, sequence_length: int = 256, val_percent: int = 10, test_percent: int = 10) -> None:
        self.name = f"text:{path}"
        self.path = Path(path).expanduser()
        self.sequence_length = whole_number("task.sequence_length", sequence_length, 8, LONGEST_SEQUENCE)
        self.val_percent = whole_number("task.val_percent", val_percent, 1, 45)
        self.test_percent = whole_number("task.test_percent", test_percent, 1, 45)
        self.sanity: str | None = "a uniform guess over 256 byte values is ln 256 = 5.55 nats per byte (8 bits)"

    def settings(self) -> dict[str, Any]:
        """Return every setting with its value."""
        return {
            "sequence_length": self.sequence_length,
            "val_percent": self.val_percent,
            "test_percent": self.test_percent,
        }

    def load(self, rng: np.random.Generator) -> TaskData:
        """Read and cut the file. `rng` plays no part.

        Raises:
            DataError: If the file is missing, a directory, unreadable, not UTF-8, empty, too short or above 1 GiB.
        """
        del rng
        content = read_text_bytes(self.path)
        test = len(content) * self.test_percent // 100
        val = len(content) * self.val_percent // 100
        bounds = {"train": (0, -val - test), "val": (-val - test, -test), "test": (-test, None)}
        if min(val, test, len(content) - val - test) < self.sequence_length + 1:
            least = -(-100 * (self.sequence_length + 1) // min(self.val_percent, self.test_percent))
            raise DataError(
                f"{self.path}: {len(content)} bytes are too few: sequence_length {self.sequence_length} needs about "
                f"{least}, so that each split holds one sequence; give a longer text or a shorter sequence_length"
            )
        tokens = np.frombuffer(content, dtype=np.uint8)
        splits = {split: Split(tokens[start:end]) for split, (start, end) in bounds.items()}
        return TaskData(
            splits=splits,
            vocab_size=256,
            sequence_length=self.sequence_length,
            corpus=content_id({"sha256": hashlib.sha256(content).hexdigest(), "settings": self.settings()}),
            byte_level=True,
            facts={"source": self.path.name, "bytes": {split: len(part.tokens) for split, part in splits.items()}},
        )


def read_text_bytes(path: Path) -> bytes:
    """Return the bytes of a UTF-8 text file.

    Raises:
        DataError: One line naming the file, what is wrong with it and what would be right.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; give the path of a UTF-8 text file")
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "not a regular file"
        raise DataError(f"{path}: is {kind}; give the path of a UTF-8 text file")
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise DataError(f"{path}: is larger than 1 GiB; cut it to a part that is worth training on")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); make it readable") from error
    if not content:
        raise DataError(f"{path}: is empty; give a UTF-8 text file with something in it")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 (byte {error.start} is 0x{content[error.start]:02x}); convert it, "
            "for example with iconv -t UTF-8"
        ) from error
    return content
