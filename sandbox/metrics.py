"""Following `metrics.jsonl` while a job writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sandbox.strict_json import RefusedError, loads

MAX_LINE_BYTES = 4096
MAX_ROWS = 100_000
MAX_KEYS = 32
MAX_TEXT = 200
_CHUNK = 65536


class Readable(Protocol):
    """Whatever can read a piece of an output file."""

    def read(self, name: str, offset: int, limit: int, *, latest: bool = False) -> bytes:
        """Return up to `limit` bytes from `offset`; empty if the file is absent or no regular file.

        Unless the `latest` state is asked for, what was written a moment ago may be left for the next call.
        """
        ...


class MetricsTail:
    """Hands on each complete, harmless line of `metrics.jsonl` once, in order; drops every other line."""

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
        if isinstance(row, dict) and len(row) <= MAX_KEYS and all(map(_harmless, row.values())):
            self._rows += 1
            self._on_metrics(row)


def _harmless(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 2**63)
