"""Downloading of PDF files: size cap, content check, resumed where it broke off, in place only when whole."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from knowledge.fetching.http import HttpError, get, no_answer
from knowledge.papers import PaperError

MIB = 2**20
HEAD_BYTES = 1024
"""Where "%PDF-" must stand, counted from the beginning."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and those expected, or None if the server does not say."""


@dataclass(frozen=True)
class DownloadLimits:
    """What one download may take.

    Attributes:
        timeout_s: Longest silence of the server, seconds.
        wall_s: Longest time altogether, seconds.
        tries: How often the server is asked, the first time included.
        backoff_s: Wait before the second try, seconds; doubled each time, unless the server names a wait.
    """

    timeout_s: float = 30.0
    wall_s: float = 900.0
    tries: int = 4
    backoff_s: float = 2.0


class _Interrupted(Exception):
    """The body broke off; what is there is kept."""


def download_pdf(
    url: str,
    target: Path,
    *,
    max_bytes: int = 64 * MIB,
    limits: DownloadLimits | None = None,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a PDF file.

    What has arrived is kept as `target` with ".part" added, and a later call goes on from there if the server can.

    Args:
        url: An http or https address.
        target: Where it shall lie; replaced in one step when all of it is there.
        max_bytes: Largest size, by the server's word and by what arrives.
        limits: What it may take.
        progress: Told what has arrived.
        sleep: Waits between tries.

    Returns:
        `target`.

    Raises:
        PaperError: If the server has no such file, does not answer, or sends something else or too much.
    """
    limits = limits or DownloadLimits()
    download = _Download(url, target, max_bytes, limits, progress, time.monotonic() + limits.wall_s)
    last = ""
    for attempt in range(limits.tries):
        try:
            download.attempt()
            return target
        except HttpError as error:
            if error.status == 416:  # the part is not a part of this file
                download.forget()
            elif not error.retry:
                raise PaperError(url, _told(error)) from error
            last, wait_s = str(error), error.wait_s
        except _Interrupted as error:
            last, wait_s = str(error), None
        except OSError as error:
            raise PaperError(url, f"the file cannot be written: {error.strerror}") from error
        if attempt + 1 < limits.tries and time.monotonic() < download.deadline:
            sleep(limits.backoff_s * 2**attempt if wait_s is None else wait_s)
    kept = "; what arrived is kept, run it again to go on" if download.part.exists() else ""
    raise PaperError(url, f"{last} (asked {limits.tries} times){kept}")


def _told(error: HttpError) -> str:
    if error.status in (404, 410):
        return f"there is no such file ({error})"
    if error.status in (401, 403):
        return f"the server refuses it ({error}); download it with a browser and name the file"
    return str(error)


class _Download:
    def __init__(
        self, url: str, target: Path, max_bytes: int, limits: DownloadLimits, progress: Progress | None, deadline: float
    ) -> None:
        self.url, self.target, self.max_bytes, self.limits = url, target, max_bytes, limits
        self.progress, self.deadline = progress, deadline
        self.part = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")

    def attempt(self) -> None:
        """Ask once; raise `HttpError` or `_Interrupted` if the file is not whole afterwards."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        start, validator = self._kept()
        headers = {"Accept": "application/pdf"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        with get(self.url, timeout_s=self.limits.timeout_s, headers=headers) as answer:
            start = self._start(answer, start)
            length = answer.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else None
            if total is not None and total > self.max_bytes:
                raise PaperError(self.url, self._too_large(total))
            validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            if validator.startswith("W/"):  # weak ones do not serve for ranges
                validator = answer.headers.get("Last-Modified") or ""
            self.note.write_text(json.dumps({"url": self.url, "validator": validator}), encoding="utf-8")
            size = self._receive(answer, start, total)
        if total is not None and size < total:
            raise _Interrupted(f"the connection broke off after {size} of {total} bytes")
        if total is None and b"%%EOF" not in _tail(self.part):
            raise _Interrupted(f"the file broke off after {size} bytes")
        os.replace(self.part, self.target)
        self.note.unlink(missing_ok=True)

    def forget(self) -> None:
        """Throw away what has arrived."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _kept(self) -> tuple[int, str]:
        """Bytes that lie there of the same address, and what the server called that content."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            size = self.part.stat().st_size
        except (OSError, ValueError):
            return 0, ""
        if not isinstance(note, dict) or note.get("url") != self.url or not 0 < size < self.max_bytes:
            self.forget()
            return 0, ""
        return size, str(note.get("validator") or "")

    def _start(self, answer: http.client.HTTPResponse, wanted: int) -> int:
        """Where the body begins in the file."""
        if answer.status != 206:
            return 0
        match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if not match or int(match[1]) != wanted:
            self.forget()
            raise HttpError("the server sent another part than was asked for", retry=True)
        return wanted

    def _receive(self, answer: http.client.HTTPResponse, start: int, total: int | None) -> int:
        size = start
        with self.part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            head = b""
            while True:
                try:
                    chunk = answer.read1(MIB // 4)
                except (OSError, http.client.HTTPException) as error:
                    raise _Interrupted(str(no_answer(error, self.limits.timeout_s))) from error
                if not chunk:
                    break
                if len(head) < HEAD_BYTES and not start:
                    head += chunk[: HEAD_BYTES - len(head)]
                    self._check_head(head, done=False)
                size += len(chunk)
                if size > self.max_bytes:
                    self.forget()
                    raise PaperError(self.url, self._too_large(size))
                file.write(chunk)
                if self.progress is not None:
                    self.progress(size, total)
                if time.monotonic() > self.deadline:
                    raise PaperError(self.url, f"not there within {self.limits.wall_s:.0f} s; run it again to go on")
            if not start:
                self._check_head(head, done=True)
            file.flush()
            os.fsync(file.fileno())
        return size

    def _check_head(self, head: bytes, *, done: bool) -> None:
        """Refuse what is not a PDF, whatever the server calls it."""
        if b"%PDF-" in head or (len(head) < HEAD_BYTES and not done) or (done and not head):
            return
        self.forget()
        page = bool(re.search(rb"<(!doctype|html|head|body)", head, re.IGNORECASE))
        what = "a web page" if page else "something else"
        raise PaperError(self.url, f"the server sent {what} in place of a PDF")

    def _too_large(self, size: int) -> str:
        return f"{size / MIB:.1f} MiB or more, over the limit of {self.max_bytes / MIB:.1f} MiB"


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2048))
        return file.read()
