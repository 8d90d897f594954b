"""Reading what a worker prints: all of it, keeping only the end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import IO, Protocol

from sandbox.printable import printable

KEEP_FACTOR = 16
"""More than this many times the kept size is a flood, and ends the job."""


class Tail:
    """The last bytes of a stream, and how many there were in all."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.total = 0
        self._kept = bytearray()
        self._lock = threading.Lock()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        with self._lock:
            self.total += len(data)
            self._kept += data
            if len(self._kept) > self.capacity:
                del self._kept[: len(self._kept) - self.capacity]

    @property
    def flooded(self) -> bool:
        """Whether far more was printed than is kept."""
        return self.total > KEEP_FACTOR * self.capacity

    def text(self) -> str:
        """Return the kept bytes, decoded with replacement, without control characters."""
        with self._lock:
            return printable(self._kept.decode("utf-8", errors="replace"))


class Frames(Protocol):
    """Pairs of pieces of stdout and stderr, either of them None."""

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        """Yield them as they come."""
        ...

    def close(self) -> None:
        """End the stream."""
        ...


class Stdio:
    """Both output streams of one worker, read by a thread for each."""

    def __init__(self, capacity: int) -> None:
        self.stdout = Tail(capacity)
        self.stderr = Tail(capacity)
        self._threads: list[threading.Thread] = []

    def resize(self, capacity: int) -> None:
        """Keep `capacity` bytes of each stream from now on."""
        self.stdout.capacity = self.stderr.capacity = capacity

    @property
    def flooded(self) -> bool:
        """Whether either stream was flooded."""
        return self.stdout.flooded or self.stderr.flooded

    def read_pipes(self, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        """Begin to read two pipes until their ends."""
        for pipe, tail in ((stdout, self.stdout), (stderr, self.stderr)):
            thread = threading.Thread(target=_pump, args=(pipe, tail), name="sandbox-stdio", daemon=True)
            thread.start()
            self._threads.append(thread)

    def read_frames(self, frames: Frames) -> None:
        """Begin to read pairs of (stdout, stderr) pieces, as a container engine sends them; closed at their end."""
        thread = threading.Thread(target=self._take_frames, args=(frames,), name="sandbox-stdio", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _take_frames(self, frames: Frames) -> None:
        try:
            for stdout, stderr in frames:
                self.stdout.feed(stdout or b"")
                self.stderr.feed(stderr or b"")
        except (OSError, ValueError):
            pass  # the connection went away; whether the container did, the engine is asked
        finally:
            frames.close()

    def ended(self, timeout_s: float) -> bool:
        """Wait for the end of the streams; return whether it has come."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def drain(self, timeout_s: float = 2.0) -> None:
        """Wait until everything printed has been read; a stray writer that holds a pipe open is not waited for."""
        self.ended(timeout_s)


def _pump(pipe: IO[bytes], tail: Tail) -> None:
    with pipe:
        while data := os.read(pipe.fileno(), 65536):
            tail.feed(data)
