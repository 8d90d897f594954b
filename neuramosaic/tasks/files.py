"""A task's data as files for a sandbox: raw little-endian arrays and a `data.json` that describes them.

What a search may see and what only the final test may see lie in two directories, and a sandbox is given one of them::

    DIRECTORY/search/   data.json, train.tokens.bin, val.tokens.bin (and train.weights.bin ... for fixed sequences)
    DIRECTORY/test/     data.json, test.tokens.bin
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neuramosaic.errors import DataError
from neuramosaic.tasks.base import Split, TaskData

SEARCH = "search"
TEST = "test"
_DTYPES = {"uint8": "<u1", "uint16": "<u2"}


def write_task_data(data: TaskData, directory: Path) -> dict[str, Any]:
    """Write a task's data below `directory`.

    Returns:
        What a search job's `task` needs: vocab_size, sequence_length, byte_level, corpus, and `splits` with train and
        val. The same of the test split stands in `directory/test/data.json`.

    Raises:
        DataError: If an array is not of a kind that can be written.
    """
    search = _write(data, directory / SEARCH, ("train", "val"))
    _write(data, directory / TEST, ("test",))
    return search


def read_description(directory: Path) -> dict[str, Any]:
    """Return the description that `write_task_data` left in `directory` (its `search` or `test`).

    Raises:
        DataError: If there is none.
    """
    try:
        description: dict[str, Any] = json.loads((directory / "data.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"{directory / 'data.json'}: cannot be read as a task's description: {error}") from error
    return description


def check_files(directory: Path, description: Mapping[str, Any]) -> None:
    """Check that the files of all splits are what was once written.

    Args:
        directory: Where they lie.
        description: What `write_task_data` returned.

    Raises:
        DataError: If a file is missing or its content has changed; names it.
    """
    for split in description["splits"].values():
        for array in filter(None, (split["tokens"], split["weights"])):
            path = directory / Path(array["file"]).name
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from error
            if hashlib.sha256(content).hexdigest() != array["sha256"]:
                raise DataError(f"{path}: its content has changed since the study began; put the file back")


def read_split(directory: Path, description: Mapping[str, Any]) -> Split:
    """Map a split's arrays into memory, read-only.

    Args:
        directory: Where its files lie.
        description: `splits[name]` of what `write_task_data` returned.

    Raises:
        DataError: If a file is missing or not as long as described.
    """
    weights = description["weights"]
    return Split(_map(directory, description["tokens"]), None if weights is None else _map(directory, weights))


def _write(data: TaskData, directory: Path, names: tuple[str, ...]) -> dict[str, Any]:
    directory.mkdir(parents=True, exist_ok=True)
    splits = {}
    for name in names:
        split = data.splits[name]
        splits[name] = {
            "tokens": _dump(split.tokens, directory, f"{name}.tokens.bin"),
            "weights": None if split.weights is None else _dump(split.weights, directory, f"{name}.weights.bin"),
        }
    description = {
        "vocab_size": data.vocab_size,
        "sequence_length": data.sequence_length,
        "byte_level": data.byte_level,
        "corpus": data.corpus,
        "splits": splits,
    }
    (directory / "data.json").write_text(json.dumps(description, indent=2, allow_nan=False) + "\n")
    return description


def _dump(array: np.ndarray, directory: Path, name: str) -> dict[str, Any]:
    if array.dtype.name not in _DTYPES:
        raise DataError(f"{name}: arrays of a task are uint8 or uint16, got {array.dtype}")
    np.ascontiguousarray(array).astype(_DTYPES[array.dtype.name], copy=False).tofile(directory / name)
    digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    return {"file": name, "dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}


def _map(directory: Path, description: Mapping[str, Any]) -> np.ndarray:
    path = directory / Path(description["file"]).name
    dtype = np.dtype(_DTYPES[description["dtype"]])
    shape = tuple(description["shape"])
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if size != math.prod(shape) * dtype.itemsize:
        raise DataError(f"{path}: holds {size} bytes, its description says {math.prod(shape) * dtype.itemsize}")
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
