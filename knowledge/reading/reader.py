"""Reading a PDF in a child process with limits on time, memory and size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.papers import Block, Document, PaperError, Section

MAX_ANSWER_BYTES = 64 * 2**20
"""What the child may hand back."""


@dataclass(frozen=True)
class ReadingLimits:
    """What reading one PDF may take.

    Attributes:
        pages: Most pages.
        file_mib: Largest file, MiB.
        memory_mib: Memory of the child beyond what its libraries take, MiB.
        wall_s: Longest time, seconds.
    """

    pages: int = 400
    file_mib: int = 64
    memory_mib: int = 2048
    wall_s: float = 120.0


def read_pdf(path: str | os.PathLike[str], *, limits: ReadingLimits | None = None) -> Document:
    """Read a paper.

    The bytes are parsed in a child process, which may neither write files nor outlive its limits; a crash or a hang of
    the parser is an error of the paper and not of the caller. Nothing in the PDF is run or followed.

    Args:
        path: A PDF file.
        limits: What it may take.

    Raises:
        PaperError: If it is missing, no PDF, too large, encrypted, damaged, scanned, or cannot be read within the
            limits; the message says which.
    """
    limits = limits or ReadingLimits()
    path = Path(path)
    name = path.name or str(path)
    if path.is_dir():
        raise PaperError(name, "a folder, not a PDF file")
    try:
        with path.open("rb", buffering=0) as file:  # the child reads on from where the descriptor stands
            size = os.fstat(file.fileno()).st_size
            if size > limits.file_mib * 2**20:
                raise PaperError(name, f"{size / 2**20:.0f} MiB, more than the limit of {limits.file_mib} MiB")
            if size == 0:
                raise PaperError(name, "the file is empty")
            if b"%PDF-" not in file.read(1024):
                raise PaperError(name, "not a PDF file: it does not begin with %PDF")
            file.seek(0)
            answer = _ask_child(name, file.fileno(), limits)
    except OSError as error:
        raise PaperError(name, f"the file cannot be opened: {error.strerror}") from error
    return _document(name, answer)


def _ask_child(name: str, descriptor: int, limits: ReadingLimits) -> dict[str, Any]:
    cpu_s = max(1, int(limits.wall_s))
    command = [sys.executable, "-m", "knowledge.reading.worker", str(limits.pages), str(limits.memory_mib), str(cpu_s)]
    child = subprocess.Popen(
        command,
        stdin=descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(timeout=limits.wall_s)
    except subprocess.TimeoutExpired as error:
        raise PaperError(name, f"reading the PDF took more than {limits.wall_s:.0f} s; it was stopped") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    if child.returncode == -signal.SIGXCPU or child.returncode == -signal.SIGKILL:
        raise PaperError(name, f"reading the PDF took more than {cpu_s} s or too much memory; it was stopped")
    if child.returncode != 0 or len(output) > MAX_ANSWER_BYTES:
        raise PaperError(name, "the PDF reader broke down on this file; it may be damaged or made to do so")
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise PaperError(name, "the PDF reader broke down on this file; it may be damaged or made to do so") from error
    if not isinstance(answer, dict):
        raise PaperError(name, "the PDF reader gave no answer for this file")
    if "error" in answer:
        raise PaperError(name, str(answer["error"]))
    return answer


def _environment() -> dict[str, str]:
    """Nothing of the caller's but where programs and packages are; no keys."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT") if key in os.environ}
    paths = [entry for entry in sys.path if entry and os.path.exists(entry)]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _document(name: str, answer: dict[str, Any]) -> Document:
    try:
        sections = tuple(
            Section(
                str(section["title"]),
                str(section["number"]),
                int(section["page"]),
                tuple(Block(str(block["text"]), int(block["page"]), block["kind"]) for block in section["blocks"]),
            )
            for section in answer["sections"]
        )
        return Document(
            title=str(answer["title"]),
            sections=sections,
            references=tuple(str(entry) for entry in answer["references"]),
            pages=int(answer["pages"]),
            arxiv_id=answer["arxiv_id"],
            version=answer["version"],
            authors=tuple(str(author) for author in answer["authors"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PaperError(name, "the PDF reader gave an answer that makes no sense for this file") from error
