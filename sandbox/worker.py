"""The process inside the sandbox: waits for one job, does it, leaves its results and ends. Never used twice.

Run as `python -m sandbox.worker` with the environment variable NEURAMOSAIC_JOB naming the directory that holds `in/`,
`data/` and `out/`. It is started before there is a job, so that importing PyTorch costs the job no time. It shares its
process with code that nobody has vouched for: the host believes nothing it writes without checking it.

Exit status: 0 the job was done (also if the code failed verification, which is a result), 1 the code under test raised,
2 the job itself is wrong; of a script, its own.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

import numpy
import safetensors.torch  # noqa: F401 - imported now, so that writing weights does not pay for it
import torch

from neuramosaic.errors import NeuraMosaicError
from neuramosaic.training.flops import flop_counter
from neuramosaic.training.memory import keep_freed_memory
from sandbox.worker_jobs import Job, count_component_job, run_trial, verify_component_job, verify_model_job
from sandbox.worker_result import write_result

POLL_S = 0.01
WARM = ".warm"
#: A traceback longer than this says nothing more.
TRACEBACK_CHARACTERS = 8_000


def main() -> int:
    """Do one job; returns the exit status, or for a script exits with its own."""
    root, parent = Path(os.environ["NEURAMOSAIC_JOB"]), os.getppid()
    keep_freed_memory()
    warm_up()
    # Tells the host that the clock of a job may start. Gone before foreign code runs.
    (root / "out" / WARM).write_bytes(b"1")
    if not wait_for(root / "in" / "ready", parent):
        return 2
    (root / "out" / WARM).unlink()
    try:
        request = json.loads((root / "in" / "job.json").read_text())
        job = Job(root, request)
    except (OSError, ValueError, KeyError, NeuraMosaicError) as error:
        write_result(root / "out", {"error": describe(error)})
        return 2
    torch.set_num_threads(job.threads)
    if job.kind == "script":
        # By Python's own end, as a program expects it: its exit handlers run, its open files are flushed.
        sys.exit(run_script(root / "in" / "script.py", [str(item) for item in request.get("argv", [])], root / "out"))
    result: dict[str, Any] = {"verification": None, "training": None, "audit": None, "environment": environment(job)}
    try:
        KINDS[job.kind](job, result)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the one boundary where foreign code's exceptions become data
        write_result(root / "out", {**result, "error": describe(error)})
        return 1
    write_result(root / "out", result)
    return 0


KINDS = {
    "trial": run_trial,
    "verify_model": verify_model_job,
    "verify_component": verify_component_job,
    "count_component": count_component_job,
}


def warm_up() -> None:
    """Make PyTorch load what it loads on first use: autograd, the fused optimiser, the operation counter."""
    torch.set_num_threads(1)
    layer = torch.nn.Linear(8, 8)
    optimiser = torch.optim.AdamW(layer.parameters(), fused=True)
    with flop_counter():
        layer(torch.ones(2, 8)).log_softmax(dim=-1).sum().backward()
    torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    optimiser.step()


def wait_for(ready: Path, parent: int) -> bool:
    """Wait until the job is there. Returns False if the process `parent`, which started this one, is gone."""
    while not ready.exists():
        if os.getppid() != parent:
            return False
        time.sleep(POLL_S)
    return True


def run_script(script: Path, arguments: list[str], directory: Path) -> int:
    """Run a program as `__main__` in `directory`; what it raises ends this process as it would end its own."""
    os.chdir(directory)
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")
    return 0


def describe(error: BaseException) -> dict[str, str]:
    """Return type, message and traceback of an exception, capped."""
    text = "".join(traceback.format_exception(error))
    return {
        "type": type(error).__name__,
        "message": str(error)[:1000],
        "traceback": text[-TRACEBACK_CHARACTERS:],
    }


def environment(job: Job) -> dict[str, Any]:
    """Return what a reproduction needs to know of this process."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else "cpu",
        "cpu": cpu_model(),
        "platform": platform.platform(),
    }


def cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def leave(status: int) -> NoReturn:
    """End at once: taking a process with PyTorch down in good order costs 0.9 s of processor time."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
