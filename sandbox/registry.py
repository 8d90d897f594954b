"""Choosing a backend by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from neuramosaic.errors import SandboxUnavailableError, UnknownNameError
from sandbox.base import Sandbox, SandboxConfig

BACKENDS = ("docker", "bubblewrap", "process")
"""From the strongest to none at all."""


class Availability(NamedTuple):
    """Whether a backend can be used here.

    Attributes:
        name: Of the backend.
        ok: Whether it can.
        detail: What it will use; or why it cannot, and what to do about it.
    """

    name: str
    ok: bool
    detail: str


def create_sandbox(name: str, config: SandboxConfig, *, on_progress: Callable[[str], None] | None = None) -> Sandbox:
    """Return a backend, not yet started.

    Args:
        name: One of `BACKENDS`, or `auto`: Docker where an engine answers, else bubblewrap. Never `process`, which is
            no sandbox.
        config: See there.
        on_progress: Receives a line now and then while Docker's image is built; the log by default.

    Raises:
        UnknownNameError: If there is no such backend.
        SandboxUnavailableError: If none can be used, or `process` is named where `allow_process` is not set.
    """
    if name not in ("auto", *BACKENDS):
        raise UnknownNameError("sandbox", name, ("auto", *BACKENDS))
    if name == "auto":
        name = _best()
    # Imported here: the Docker SDK and psutil are for whoever uses them.
    if name == "docker":
        from sandbox.docker import DockerSandbox

        return DockerSandbox(config, on_progress=on_progress)
    if name == "bubblewrap":
        from sandbox.bubblewrap import BubblewrapSandbox

        return BubblewrapSandbox(config)
    from sandbox.process import ProcessSandbox

    if not config.allow_process:
        raise SandboxUnavailableError(
            name, "it confines nothing and allow_process is not set", "Ask for it by name if you trust the code."
        )
    return ProcessSandbox(config)


def available() -> list[Availability]:
    """Try each backend; the first usable one that confines is what `auto` takes."""
    from sandbox.process import WARNING

    return [_docker(), _bubblewrap(), Availability("process", True, WARNING)]


def _best() -> str:
    tried = (_docker(), _bubblewrap())
    for found in tried:
        if found.ok:
            return found.name
    raise SandboxUnavailableError(
        "auto",
        "; ".join(f"{found.name}: {found.detail}" for found in tried),
        "Or ask for --sandbox process, which confines nothing, if you trust all code that will run.",
    )


def _docker() -> Availability:
    from sandbox.docker import connect
    from sandbox.image import find_image, image_tag

    try:
        client = connect(timeout_s=10)
    except SandboxUnavailableError as error:
        return Availability("docker", False, f"{error.problem}. {error.remedy}")
    try:
        version = client.version()["Version"]
        image = find_image(client, image_tag())
    finally:
        client.close()
    state = f"image {image.tag}" if image is not None else "its image is built on first use"
    return Availability("docker", True, f"engine {version}, {state}")


def _bubblewrap() -> Availability:
    from sandbox.bubblewrap import unavailable

    problem = unavailable()
    if problem is not None:
        return Availability("bubblewrap", False, f"{problem.problem}. {problem.remedy}")
    return Availability("bubblewrap", True, "unprivileged namespaces")
