"""How long a job waits for its sandbox: a fresh worker against a pre-started one.

Run as `python -m benchmarks.sandbox_startup [docker] [bubblewrap] [process]`. For each backend it prints, as the best
of three: seconds from the request for a fresh worker until it could take a job (container or namespaces, Python,
importing PyTorch, one optimiser step); milliseconds from handing a job to a pre-started worker until its first line
runs; and milliseconds from that line to the outcome in hand.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sandbox.base import Job, Limits, SandboxConfig
from sandbox.registry import create_sandbox
from sandbox.supervise import WARM, PooledSandbox

REPEATS = 3
PROGRAM = b"import os, time\nopen('began', 'w').write(repr(time.time()))\nos._exit(0)\n"
REQUEST = {"kind": "script", "seed": 0, "threads": 1, "device": "cpu", "argv": []}


def measure(backend: str, folder: Path) -> tuple[float, float, float]:
    """Return the three figures of one backend, in seconds."""
    limits = Limits(memory_mib=1024, cpus=2)
    sandbox = create_sandbox(backend, SandboxConfig(limits=limits, allow_process=True, scratch=folder / "scratch"))
    assert isinstance(sandbox, PooledSandbox)
    fresh, hand_over, come_home = [], [], []
    sandbox.start()
    try:
        for _ in range(REPEATS):
            time.sleep(8)  # until the pool is full, so that it takes no processor time
            begun = time.time()
            worker = sandbox.launch(limits)
            while worker.output.read(WARM, 0, 1, latest=True) != b"1":
                time.sleep(0.002)
            fresh.append(time.time() - begun)
            worker.close()
            begun = time.time()
            outcome = sandbox.run(Job("startup", REQUEST, {"script.py": PROGRAM}), limits=limits, keep=folder / "kept")
            first_line = float((folder / "kept" / "began").read_text())
            assert outcome.exit_code == 0, outcome
            hand_over.append(first_line - begun)
            come_home.append(time.time() - first_line)
    finally:
        sandbox.stop()
    return min(fresh), min(hand_over), min(come_home)


def main() -> None:
    """Measure the backends named on the command line, or all."""
    print(f"{'backend':<12} {'fresh worker':>14} {'hand-over':>12} {'come home':>12}")
    for backend in sys.argv[1:] or ("docker", "bubblewrap", "process"):
        with tempfile.TemporaryDirectory() as folder:
            fresh, hand_over, come_home = measure(backend, Path(folder))
        print(f"{backend:<12} {fresh:>12.2f} s {hand_over * 1000:>9.0f} ms {come_home * 1000:>9.0f} ms", flush=True)


if __name__ == "__main__":
    main()
