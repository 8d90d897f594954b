"""The Docker image that jobs run in: interpreter, PyTorch, numpy, safetensors, and nothing of this project.

Two ways to make it. `host` packs the interpreter and packages of this machine: it needs neither a registry nor a
network, and the numbers are those of every other backend here. `registry` builds from a public Python image and wheels.
An image is found by a tag that is a hash of what is inside, so that a stale one is never used.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from neuramosaic.errors import InvalidValueError, SandboxError
from sandbox.runtime import ROOT_PACKAGES, required_distributions

REPOSITORY = "neuramosaic-sandbox"
DEFAULT_BASE = "python:3.11-slim"
RECIPE = 1
"""Raised whenever the way an image is made changes."""
SOURCES = ("auto", "host", "registry")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ImageRecord:
    """A built image.

    Attributes:
        tag: `neuramosaic-sandbox:<hash of what is inside>`.
        digest: The engine's id of it, `sha256:...`.
        seconds: What building it took; 0 if it was there.
        bytes: Its size.
    """

    tag: str
    digest: str
    seconds: float
    bytes: int


def resolve_source(source: str) -> str:
    """Return `host` or `registry` for what a user said.

    Raises:
        InvalidValueError: If it is no source, or is `host` where the host's programs do not run in a container.
    """
    if source not in SOURCES:
        raise InvalidValueError("image.source", source, f"one of {', '.join(SOURCES)}")
    if source == "host" and sys.platform != "linux":
        raise InvalidValueError("image.source", source, "'registry' on a system other than Linux")
    if source == "auto":
        return "host" if sys.platform == "linux" else "registry"
    return source


def image_tag(source: str = "auto", base: str = DEFAULT_BASE) -> str:
    """Return the tag of the image that this installation of NeuraMosaic would run jobs in."""
    source = resolve_source(source)
    inside = {
        "recipe": RECIPE,
        "source": source,
        "python": sys.version if source == "host" else base,
        "machine": platform.machine(),
        "packages": {package.name: package.version for package in required_distributions()},
    }
    digest = hashlib.sha256(json.dumps(inside, sort_keys=True).encode()).hexdigest()
    return f"{REPOSITORY}:{digest[:16]}"


def find_image(client: docker.DockerClient, tag: str) -> ImageRecord | None:
    """Return the image of that tag if the engine has it."""
    try:
        image = client.images.get(tag)
    except docker.errors.ImageNotFound:
        return None
    return ImageRecord(tag, str(image.id), 0.0, int(image.attrs["Size"]))


def build_image(
    client: docker.DockerClient,
    *,
    source: str = "auto",
    base: str = DEFAULT_BASE,
    wheels: Path | None = None,
    on_progress: Progress | None = None,
) -> ImageRecord:
    """Build the image, whether or not it is there.

    Args:
        client: Of the engine.
        source: `host` (Linux only), `registry`, or `auto`: `host` where possible.
        base: Image with a Python, for `registry`.
        wheels: Folder with the wheels, for `registry`; fetched with pip if None.
        on_progress: Receives a line now and then.

    Raises:
        SandboxError: If it could not be built, or cannot import PyTorch.
    """
    from sandbox.image.dockerfile import build_from_registry
    from sandbox.image.host import import_host

    say = on_progress or _silent
    source, tag, started = resolve_source(source), image_tag(source, base), time.monotonic()
    try:
        if source == "host":
            import_host(client, tag, say)
        else:
            build_from_registry(client, tag, base, wheels, say)
        _try_out(client, tag)
    except docker.errors.DockerException as error:
        raise SandboxError(f"the sandbox image could not be built: {error}") from error
    record = find_image(client, tag)
    if record is None:
        raise SandboxError(f"the sandbox image could not be built: the engine does not know {tag}")
    seconds = time.monotonic() - started
    say(f"built {tag} in {seconds:.0f} s: {record.bytes / 1e6:.0f} MB")
    return ImageRecord(tag, record.digest, seconds, record.bytes)


def _try_out(client: docker.DockerClient, tag: str) -> None:
    """Import in a container what the worker imports, so that a missing library or another version is found now."""
    program = (
        "import importlib.metadata as m, numpy, safetensors.torch, torch\n"
        "torch.ones(2, requires_grad=True).sum().backward()\n"
        f"print(*(m.version(name) for name in {ROOT_PACKAGES!r}))"
    )
    settings: dict[str, Any] = {"network_mode": "none", "read_only": True, "tmpfs": {"/tmp": "size=16m"}}
    try:
        printed = client.containers.run(tag, ["python3", "-c", program], remove=True, **settings)
    except docker.errors.ContainerError as error:
        client.images.remove(tag, force=True)
        raw = error.stderr if isinstance(error.stderr, bytes) else b""
        said = raw.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"the new sandbox image cannot import PyTorch: {said[-1] if said else error}") from error
    versions = {package.name: package.version for package in required_distributions(ROOT_PACKAGES)}
    expected = [versions[name] for name in ROOT_PACKAGES]
    if printed.decode().split() != expected:
        client.images.remove(tag, force=True)
        raise SandboxError(
            f"the new sandbox image has {', '.join(ROOT_PACKAGES)} {printed.decode().strip()}, "
            f"this machine {' '.join(expected)}: give the wheels of these versions"
        )


def _silent(_: str) -> None:
    pass
