"""Any program under a trial's limits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neuramosaic.errors import DataError, InvalidValueError
from sandbox.base import Job, Limits, SandboxConfig
from sandbox.registry import create_sandbox


def run_script(
    path: Path,
    argv: Sequence[str] = (),
    backend: str = "auto",
    limits: Limits | None = None,
    *,
    keep: Path | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run a Python program in a sandbox, in an empty folder, without data.

    Args:
        path: The program.
        argv: Its arguments.
        backend: See `create_sandbox`; naming `process` is asking for it.
        limits: What it may use.
        keep: Folder, new or empty, that receives the files it wrote; they are dropped if None.
        on_progress: Receives a line now and then while Docker's image is built.

    Returns:
        `backend`, `outcome` (see `Exit`), `reason`, `exit_code`, `seconds`, `stdout_tail`, `stderr_tail`, `files`
        (`name`, `bytes`; regular files only).

    Raises:
        DataError: If the program cannot be read.
        InvalidValueError: If `keep` holds something already: a sandbox empties it.
        SandboxUnavailableError: If the backend cannot run here.
    """
    try:
        program = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if keep is not None and (keep.is_symlink() or keep.is_file() or (keep.is_dir() and any(keep.iterdir()))):
        raise InvalidValueError("keep", str(keep), "an empty folder, or one that does not exist yet")
    limits = limits or Limits()
    threads = max(1, int(limits.cpus))
    request = {"kind": "script", "seed": 0, "threads": threads, "device": "auto", "argv": list(argv)}
    with tempfile.TemporaryDirectory(prefix="neuramosaic-script-") as folder:
        config = SandboxConfig(
            limits=limits, allow_process=backend == "process", scratch=Path(folder) / "scratch", label="script"
        )
        sandbox = create_sandbox(backend, config, on_progress=on_progress)
        sandbox.start()
        try:
            outcome = sandbox.run(
                Job(path.name, request, {"script.py": program}), limits=limits, keep=keep or Path(folder) / "out"
            )
        finally:
            sandbox.stop()
    return {
        "backend": outcome.backend,
        "outcome": str(outcome.exit),
        "reason": outcome.reason or None,
        "exit_code": outcome.exit_code,
        "seconds": round(outcome.seconds, 3),
        "stdout_tail": outcome.stdout_tail,
        "stderr_tail": outcome.stderr_tail,
        "files": [{"name": name, "bytes": size} for name, size in sorted(outcome.files.items())],
    }
