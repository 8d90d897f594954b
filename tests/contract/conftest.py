"""One started sandbox for each backend, and for the second way in which two of them can work."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.base import Job, Limits, Outcome, SandboxConfig
from sandbox.supervise import PooledSandbox

LIMITS = Limits(wall_s=90, memory_mib=768, cpus=1, pids=48, output_mib=8, output_files=30, stdio_kib=8)

VARIANTS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("docker-keeper", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    pytest.param("bubblewrap-watcher", marks=pytest.mark.bubblewrap),
    "process",
]
CONFINING = VARIANTS[:-1]


def make(variant: str, config: SandboxConfig) -> PooledSandbox:
    """Return a backend, not started."""
    if variant.startswith("docker"):
        from sandbox.docker import DockerSandbox

        docker = DockerSandbox(config)
        docker.direct_output = variant == "docker"
        return docker
    if variant.startswith("bubblewrap"):
        from sandbox.bubblewrap import BubblewrapSandbox

        return BubblewrapSandbox(config, use_groups=variant == "bubblewrap")
    from sandbox.process import ProcessSandbox

    return ProcessSandbox(config)


def script(source: str, *arguments: str, name: str = "test") -> Job:
    """Return a job that runs a program."""
    request = {"kind": "script", "seed": 0, "threads": 1, "device": "cpu", "argv": list(arguments)}
    return Job(name, request, {"script.py": textwrap.dedent(source).encode()})


def processes_with(mark: str) -> list[str]:
    """Return the command lines of the processes that have `mark` among their arguments or in their environment."""
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        described = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(mark in part for part in described):
            found.append(" ".join(process.info["cmdline"] or []))
    return [line for line in found if "pytest" not in line]


@pytest.fixture(scope="module")
def started() -> Iterator[Callable[[str], PooledSandbox]]:
    """Start a variant on first use; all tests of a module share it, and with it its pre-started workers."""
    import shutil
    import tempfile

    running: dict[str, PooledSandbox] = {}
    folder = Path(tempfile.mkdtemp(prefix="neuramosaic-contract-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir(mode=0o755)
    (data / "corpus.bin").write_bytes(b"read me")

    def start(variant: str) -> PooledSandbox:
        if variant not in running:
            config = SandboxConfig(
                data_dir=data, limits=LIMITS, allow_process=True, scratch=folder / "scratch", label="contract"
            )
            sandbox = make(variant, config)
            sandbox.start()
            running[variant] = sandbox
        return running[variant]

    yield start
    for sandbox in running.values():
        sandbox.stop()
    left = sorted(path.name for path in (folder / "scratch").iterdir())
    shutil.rmtree(folder)
    assert left == [], "the sandboxes left something on the host"


@pytest.fixture
def run(started: Callable[[str], PooledSandbox], tmp_path: Path) -> Callable[..., Outcome]:
    """Run a program in a variant under the shared limits, some of them replaced."""
    import dataclasses

    def run_program(variant: str, source: str, *arguments: str, **changes: Any) -> Outcome:
        limits = dataclasses.replace(LIMITS, **changes)
        return started(variant).run(script(source, *arguments), limits=limits, keep=tmp_path / "kept")

    return run_program
