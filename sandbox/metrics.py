"""Following `metrics.jsonl` while a job writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sandbox.strict_json import RefusedError, loads

MAX_LINE_BYTES = 4096
MAX_ROWS = 100_000
MAX_COUNT = 2**62
"""Counts below this fit the store's 64-bit integers."""
MAX_MEASURE = 1e300
_CHUNK = 65536
_MEASURES = ("train_loss", "val_loss", "seconds", "tokens_per_second")


class Readable(Protocol):
    """Whatever can read a piece of an output file."""

    def read(self, name: str, offset: int, limit: int, *, latest: bool = False) -> bytes:
        """Return up to `limit` bytes from `offset`; empty if the file is absent or no regular file.

        Unless the `latest` state is asked for, what was written a moment ago may be left for the next call.
        """
        ...


class MetricsTail:
    """Hands on each complete, valid line of `metrics.jsonl` once, in order; drops every other line.

    A row has "tokens" and may have "step", both integers of 0 to 2**62, and "train_loss", "val_loss" (nats per token),
    "seconds" and "tokens_per_second", numbers of at most 1e300 either way. Other keys are left out of it.
    """

    def __init__(self, source: Readable, on_metrics: Callable[[dict[str, Any]], None]) -> None:
        self._source, self._on_metrics = source, on_metrics
        self._offset = 0
        self._rest = b""
        self._skipping = False  # inside a line that is too long
        self._rows = 0

    def poll(self, *, to_end: bool = False) -> None:
        """Hand on what has been written since the last call: at most 64 KiB of it, or all with `to_end`."""
        while self._rows < MAX_ROWS:
            data = self._source.read("metrics.jsonl", self._offset, _CHUNK, latest=to_end)
            self._offset += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                if self._skipping:
                    self._skipping = False
                    continue
                self._take(line)
            if len(self._rest) > MAX_LINE_BYTES:
                self._rest, self._skipping = b"", True
            if not (to_end and data):
                return

    def _take(self, line: bytes) -> None:
        try:
            row = loads(line, max_bytes=MAX_LINE_BYTES)
        except RefusedError:
            return
        found = _valid(row)
        if found is not None:
            self._rows += 1
            self._on_metrics(found)


def _valid(row: object) -> dict[str, int | float] | None:
    """Return the known keys of a row; None if one has a value that it must not have, or "tokens" is missing."""
    if not isinstance(row, dict) or "tokens" not in row:
        return None
    found: dict[str, int | float] = {}
    for name in ("step", "tokens"):
        if name in row:
            # bool is a subclass of int, hence no isinstance.
            if type(row[name]) is not int or not 0 <= row[name] < MAX_COUNT:
                return None
            found[name] = row[name]
    for name in _MEASURES:
        if name in row:
            value = row[name]
            if type(value) not in (int, float) or not abs(value) <= MAX_MEASURE:  # NaN is not, either
                return None
            found[name] = float(value)
    return found
