"""From what went wrong to one clear line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

import typer

from neuramosaic.errors import NeuraMosaicError, UsageError

#: Exit statuses.
DONE, FAILED, WRONG_USAGE = 0, 1, 2
#: Set to 1 to see tracebacks.
DEBUG = "NEURAMOSAIC_DEBUG"


def exit_status(command: Callable[[], Any]) -> int:
    """Run a command; say what went wrong, if anything, and return the exit status.

    Args:
        command: Returns the exit status, or None for 0.
    """
    try:
        status = command()
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - the last place where an error can become one line
        if os.environ.get(DEBUG) == "1":
            traceback.print_exc()
        return _report(error)
    except SystemExit as stop:  # how Typer ends when whoever reads stdout has gone
        _discard_stdout()
        return stop.code if isinstance(stop.code, int) else FAILED
    return status if isinstance(status, int) else DONE


def complain(message: str) -> None:
    """Write one line `error: ...` on stderr."""
    line = " ".join(message.split())
    with contextlib.suppress(OSError):
        sys.stderr.write(f"error: {line}\n")
        sys.stderr.flush()


def _report(error: Exception) -> int:
    match error:
        case typer.TyperException():
            return _wrong_usage(error)
        case UsageError():
            complain(str(error))
            return WRONG_USAGE
        case NeuraMosaicError():
            complain(str(error))
        case typer.Abort():
            complain("aborted")
        case BrokenPipeError():
            _discard_stdout()
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            where = f" ({error.filename})" if error.filename else ""
            complain(f"the disk is full{where}: free some space, then try again; what was stored is not lost")
        case OSError(filename=str(name), strerror=str(problem)):
            complain(f"{name}: {problem}")
        case _:
            complain(f"unexpected {traceback.format_exception_only(error)[-1].strip()}; {_log(error)}")
    return FAILED


def _wrong_usage(error: typer.TyperException) -> int:
    """Report what Typer says: its first line, and where the help is."""
    context = getattr(error, "ctx", None)
    message: str = getattr(error, "format_message", lambda: str(error))()
    if not message.strip():  # no command was named: Typer has printed the help
        return WRONG_USAGE
    hint = f" (see '{context.command_path} --help')" if context is not None else ""
    complain(f"{message.rstrip('.')}{hint}")
    return WRONG_USAGE


def _log(error: Exception) -> str:
    """Keep the traceback of a bug in a file; return where it is, in words."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="neuramosaic-", suffix=".log", delete=False) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return f"{DEBUG}=1 shows the traceback"
    return f"this is a bug: its traceback is in {file.name}"


def _discard_stdout() -> None:
    """Send what is still buffered for a closed pipe nowhere, so that the interpreter ends quietly."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
