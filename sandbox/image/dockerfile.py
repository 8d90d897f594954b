"""An image from a public Python image and wheels of the host's versions."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from neuramosaic.errors import SandboxError
from sandbox.runtime import ROOT_PACKAGES, required_distributions

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def build_from_registry(client: docker.DockerClient, tag: str, base: str, wheels: Path | None, say: Any) -> None:
    """Build `tag` with the Dockerfile beside this file.

    Raises:
        SandboxError: If wheels are missing or a step fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        if wheels is None:
            wheels = Path(folder)
            machine = str(client.version()["Arch"])
            say("fetching the wheels of PyTorch, numpy and safetensors")
            _download(wheels, _MACHINES.get(machine, machine), base)
        files = sorted(wheels.glob("*.whl"))
        if not files:
            raise SandboxError(f"no wheels in {wheels}: put those of torch, numpy and safetensors there")
        context = Path(folder) / "context.tar"
        with tarfile.open(context, "w") as tar:
            tar.add(Path(__file__).with_name("Dockerfile"), "Dockerfile")
            for file in files:
                tar.add(file, f"wheels/{file.name}")
        with context.open("rb") as stream:
            _build(client, stream, tag, base, say)


def _build(client: docker.DockerClient, context: io.BufferedReader, tag: str, base: str, say: Any) -> None:
    events: Iterator[dict[str, Any]] = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=tag,
        buildargs={"BASE": base},
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
    )
    for event in events:
        if "error" in event:
            raise SandboxError(f"the sandbox image could not be built: {event['error'].strip()}")
        line = str(event.get("stream", "")).strip()
        if line.startswith("Step "):
            say(line)


def _download(folder: Path, machine: str, base: str) -> None:
    """Fetch the wheels of the host's versions that fit a Linux image."""
    versions = {package.name.lower(): package.version for package in required_distributions()}
    named = re.search(r":(\d+\.\d+)", base)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder),
        "--python-version", named[1] if named else f"{sys.version_info.major}.{sys.version_info.minor}",
    ]  # fmt: skip
    for glibc in ("manylinux_2_28", "manylinux_2_17", "manylinux2014"):
        command += ["--platform", f"{glibc}_{machine}"]
    if "+cpu" in versions["torch"]:
        command += ["--extra-index-url", _CPU_INDEX]
    done = subprocess.run(
        [*command, *(f"{name}=={versions[name]}" for name in ROOT_PACKAGES)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise SandboxError(
            f"the wheels for the sandbox image could not be fetched: {said[-1] if said else 'pip failed'}"
        )
