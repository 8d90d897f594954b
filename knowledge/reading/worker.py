"""The child process that reads a PDF: bytes on standard input, one JSON document on standard output, limits on itself.

Run as `python -m knowledge.reading.worker MAX_PAGES MEMORY_MIB CPU_S`. MuPDF parses untrusted bytes here, so that its
worst day is this process's last, and not the caller's.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict


def main(arguments: list[str]) -> int:
    """Read the PDF on standard input and write what it holds, or {"error": ...}, to standard output."""
    max_pages, memory_mib, cpu_s = (int(argument) for argument in arguments)
    answers = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # MuPDF prints what it thinks to both
        os.dup2(silence, stream)
    from knowledge.reading.document import build_document
    from knowledge.reading.page_text import UnreadableError, read_pages

    _limit(memory_mib, cpu_s)
    try:
        pages, title = read_pages(sys.stdin.buffer.read(), max_pages)
        found = asdict(build_document(pages, title))
    except UnreadableError as error:
        found = {"error": str(error)}
    except MemoryError:
        found = {"error": f"reading the PDF needs more than {memory_mib} MiB of memory"}
    with os.fdopen(answers, "w", encoding="utf-8") as stream_out:
        json.dump(found, stream_out)
    return 0


def _limit(memory_mib: int, cpu_s: int) -> None:
    """Bound memory and processor time; allow no file to be written and no core to be dumped."""
    for name, value in (
        (resource.RLIMIT_AS, _mapped_bytes() + memory_mib * 2**20),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (wanted, wanted))


def _mapped_bytes() -> int:
    """Address space that the libraries take already."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**30


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
