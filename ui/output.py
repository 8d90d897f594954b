"""Where output goes: results on stdout, everything else on stderr; `--json` is one document on stdout."""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any

from rich.console import Console
from rich.text import Text

#: Columns of a table that is not shown on a terminal: wide enough that nothing is folded.
PIPE_COLUMNS = 180


def results() -> Console:
    """Return the console for results: stdout."""
    return _console(sys.stdout)


def notices() -> Console:
    """Return the console for progress and remarks: stderr."""
    return _console(sys.stderr)


def say(remark: str, style: str = "") -> None:
    """Print a remark on stderr: folded between words on a terminal, else one line."""
    console = notices()
    console.print(Text(remark, style), soft_wrap=not console.is_terminal)


def print_json(document: Any) -> None:
    """Print the one JSON document of a command on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def _console(stream: IO[str]) -> Console:
    fixed = None if stream.isatty() or os.environ.get("COLUMNS", "").isdigit() else PIPE_COLUMNS
    return Console(file=stream, highlight=False, emoji=False, width=fixed)
