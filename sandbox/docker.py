"""The `docker` backend: one hardened, single-use container for each job."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import docker.errors
import requests
import requests.exceptions
from docker.models.containers import Container
from docker.types import DeviceRequest, Mount, Ulimit

from neuramosaic.errors import SandboxError, SandboxUnavailableError
from sandbox.base import Limits, SandboxConfig
from sandbox.collect import SLACK_BYTES, SLACK_FILES, Output, OutputDirectory
from sandbox.docker_volume import VolumeOutput, create_volume, start_keeper
from sandbox.image import DEFAULT_BASE, ImageRecord, build_image, find_image, image_tag
from sandbox.runtime import CODE, JOB, SANDBOX_UID, SITE, required_distributions, stage_code, worker_environment
from sandbox.stdio import Stdio
from sandbox.supervise import Ending, PooledSandbox, Worker
from sandbox.workdir import InputDirectory, Owner, Scratch, require_readable

OWNER_LABEL = "neuramosaic.owner"
PROCESS_LABEL = "neuramosaic.process"
_RUNTIME_SLACK_PIDS = 1  # the engine's init
_INSPECT_EVERY_S = 1.0
_ENGINE_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException)
_START_ENGINE = "Start Docker (or set DOCKER_HOST), or use --sandbox bubblewrap."

log = logging.getLogger(__name__)


def connect(timeout_s: int = 60) -> docker.DockerClient:
    """Return a client of the engine that the environment names.

    Raises:
        SandboxUnavailableError: If none answers.
    """
    try:
        _try_socket()
        client = docker.from_env(timeout=timeout_s)
        client.ping()
    except (OSError, *_ENGINE_ERRORS) as error:
        raise SandboxUnavailableError("docker", f"no engine answers at {_engine_address()}", _START_ENGINE) from error
    return client


def hardened() -> dict[str, Any]:
    """Return the container settings that every container here has, whatever its limits."""
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "user": f"{SANDBOX_UID}:{SANDBOX_UID}",
        "init": True,
        "ipc_mode": "private",
        "shm_size": "32m",
        "log_config": {"type": "json-file", "config": {"max-size": "1m", "max-file": "1"}},
        "detach": True,
    }


class DockerSandbox(PooledSandbox):
    """Runs jobs in containers without network, capabilities, root or a writable root file system.

    The output folder is a file system of limited size and inodes that the container alone has mounted. Where host and
    engine share a kernel and the host may look into the container (root), it reads that file system through a
    descriptor; elsewhere through a second container that keeps it (`docker_volume`).
    """

    name = "docker"

    def __init__(
        self,
        config: SandboxConfig,
        *,
        base: str = DEFAULT_BASE,
        source: str = "auto",
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        """Choose the image; nothing is started.

        Args:
            config: See there.
            base: Base of an image from a registry.
            source: How the image is made if it is missing; see `sandbox.image`.
            on_progress: Receives a line now and then while the image is built; the log by default.
        """
        super().__init__(config)
        self._base, self._source, self._say = base, source, on_progress or log.info
        self._numbers = itertools.count()
        self._image: ImageRecord | None = None
        self.direct_output = True

    def prepare(self) -> None:
        """Connect, build the image if it is missing, remove left-over containers, stage the code."""
        self._client = connect()
        if self.config.data_dir is not None:
            require_readable(self.config.data_dir)
        try:
            self._cpus = float(self._client.info()["NCPU"])
            self._gpu = "nvidia" in self._client.info().get("Runtimes", {}) and _torch_has_cuda()
            tag = image_tag(self._source, self._base)
            self._image = find_image(self._client, tag)
            if self._image is None:
                self._say(f"building the sandbox image {tag}, once")
                self._image = build_image(self._client, source=self._source, base=self._base, on_progress=self._say)
            remove_orphans(self._client, self.config.label)
        except _ENGINE_ERRORS as error:
            raise SandboxUnavailableError("docker", f"the engine failed ({error})", _START_ENGINE) from error
        self._scratch = Scratch(self.config.scratch, self.name)
        self._code = stage_code(self._scratch.path / "code")

    def launch(self, limits: Limits) -> Worker:
        """Start one container, whose worker waits for its job."""
        inputs = InputDirectory(self._scratch.path / f"job-{next(self._numbers)}" / "in")
        try:
            if self.direct_output:
                worker = self._launch(limits, inputs, direct=True)
                if worker is not None:
                    return worker
                # Not root, or an engine on another machine; the same for every container to come.
                self.direct_output = False
                log.info("the output of containers is read through a keeper container")
            worker = self._launch(limits, inputs, direct=False)
        except _ENGINE_ERRORS as error:
            raise SandboxError(f"the container engine failed: {error}") from error
        assert worker is not None
        return worker

    def _launch(self, limits: Limits, inputs: InputDirectory, *, direct: bool) -> Worker | None:
        """Start a container; None if its output cannot be read directly though it was to be."""
        assert self._image is not None
        labels = {OWNER_LABEL: self.config.label, PROCESS_LABEL: str(self._scratch.owner)}
        out = {
            "size": str(limits.output_mib * 2**20 + SLACK_BYTES),
            "nr_inodes": str(limits.output_files + SLACK_FILES),
            "uid": str(SANDBOX_UID),
            "gid": str(SANDBOX_UID),
            "mode": "0700",
        }
        out_options = ",".join(["rw", "noexec", "nosuid", "nodev", *(f"{name}={value}" for name, value in out.items())])
        mounts = [
            Mount(f"{JOB}/in", str(inputs.path), type="bind", read_only=True),
            Mount(CODE, str(self._code), type="bind", read_only=True),
        ]
        if self.config.data_dir is not None:
            mounts.append(Mount(f"{JOB}/data", str(self.config.data_dir.resolve()), type="bind", read_only=True))
        tmpfs = {"/tmp": "rw,noexec,nosuid,nodev,size=64m,nr_inodes=4096"}
        keeper: Container | None = None
        volume = None
        if direct:
            tmpfs[f"{JOB}/out"] = out_options
        else:
            volume = create_volume(self._client, out_options, labels)
            try:
                mount = Mount(f"{JOB}/out", str(volume.name), type="volume", no_copy=True)
                keeper = start_keeper(self._client, self._image.digest, mount, {**hardened(), "labels": labels})
            except _ENGINE_ERRORS:
                volume.remove(force=True)
                raise
            mounts.append(mount)
        output: Output | None = VolumeOutput(keeper, volume) if keeper is not None and volume is not None else None
        container = None
        try:
            container = self._client.containers.create(
                self._image.digest,
                ["python3", "-m", "sandbox.worker"],
                environment=worker_environment(
                    max(1, int(limits.cpus)), job=JOB, python_path=f"{CODE}:{SITE}", home="/tmp"
                ),
                working_dir="/tmp",
                labels=labels,
                mounts=mounts,
                tmpfs=tmpfs,
                **hardened(),
                **limiting(limits, self._cpus),
                device_requests=[DeviceRequest(count=-1, capabilities=[["gpu"]])] if self._gpu else [],
            )
            stdio = Stdio(limits.stdio_kib * 1024)
            stdio.read_frames(Attachment(self._client, str(container.id)))
            container.start()
            if output is None:
                descriptor = _open_output(self._client.api.inspect_container(str(container.id)))
                if descriptor is None:
                    container.remove(force=True, v=True)
                    return None
                output = OutputDirectory(descriptor, own_file_system=True)
        except BaseException:
            if container is not None:
                container.remove(force=True, v=True)
            if output is not None:
                output.close()
            raise
        return ContainerWorker(container, inputs, output, stdio, self._image.digest)

    def release(self) -> None:
        """Remove the job folders and hang up."""
        self._scratch.remove()
        self._client.close()


def limiting(limits: Limits, cpus: float) -> dict[str, Any]:
    """Return the container settings that enforce `limits` on an engine with `cpus` processors."""
    fsize = limits.output_mib * 2**20 + SLACK_BYTES
    return {
        "pids_limit": limits.pids + _RUNTIME_SLACK_PIDS,
        "mem_limit": f"{limits.memory_mib}m",
        "memswap_limit": f"{limits.memory_mib}m",
        "nano_cpus": int(min(limits.cpus, cpus) * 1e9),
        "ulimits": [
            Ulimit(name="fsize", soft=fsize, hard=fsize),
            Ulimit(name="nofile", soft=256, hard=256),
            Ulimit(name="core", soft=0, hard=0),
        ],
    }


class Attachment:
    """What a container prints, from its start to its end."""

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        self._stream = client.api.attach(container, stream=True, logs=False, demux=True)

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        """Yield pieces of stdout and stderr."""
        return iter(self._stream)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):  # the engine was first
            self._stream.close()
        # The SDK closes the socket, but not the response that keeps its file descriptor open.
        response: requests.Response = self._stream._response  # type: ignore[attr-defined]
        response.close()


class ContainerWorker(Worker):
    """A worker that is a container."""

    def __init__(self, container: Container, inputs: InputDirectory, output: Output, stdio: Stdio, image: str) -> None:
        self.inputs, self.output, self.stdio, self.image = inputs, output, stdio, image
        self._container = container
        self._state: dict[str, Any] | None = None
        self._killed = False
        self._next_look = 0.0

    def wait(self, timeout_s: float) -> bool:
        """Wait for the container's end, of which the end of its output is the first sign."""
        if self._state is not None:
            return True
        ended = self.stdio.ended(timeout_s)
        now = time.monotonic()
        # A job can close its streams and go on, or end with a stream held open: the engine knows.
        if ended or now >= self._next_look:
            self._next_look = now + _INSPECT_EVERY_S
            state = self._inspect()
            if not state["Running"]:
                self._state = state
                return True
            if ended:
                time.sleep(timeout_s)
        return False

    def kill(self) -> None:
        """Kill the container."""
        self._killed = True
        try:
            self._container.kill()
        except docker.errors.APIError:
            if self._inspect()["Running"]:
                raise
        while not self.wait(0.05):
            self._next_look = 0.0

    def ending(self) -> Ending:
        """Return how the container ended."""
        state = self._state or self._inspect()
        if self._killed:
            return Ending(None)
        if state["ExitCode"] == 137 and not state["OOMKilled"]:
            time.sleep(0.2)  # the engine may hear of the kernel's kill after it heard of the exit
            state = self._inspect()
        return Ending(int(state["ExitCode"]), bool(state["OOMKilled"]))

    def close(self) -> None:
        """Remove the container, its output, and its input on the host."""
        try:
            self._container.remove(force=True, v=True)
        except docker.errors.NotFound:
            pass
        finally:
            self.stdio.drain()
            self.output.close()
            self.inputs.remove()

    def _inspect(self) -> dict[str, Any]:
        try:
            self._container.reload()
        except docker.errors.NotFound as error:
            raise SandboxError("somebody removed the container of a running job") from error
        state: dict[str, Any] = self._container.attrs["State"]
        return state


def remove_orphans(client: docker.DockerClient, label: str) -> int:
    """Remove containers and volumes of this label whose owner, a process of this machine, is gone.

    Returns:
        How many containers were removed.
    """
    removed = 0
    wanted: dict[str, str | list[str] | bool] = {"label": f"{OWNER_LABEL}={label}"}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        owner = Owner.parse(container.labels.get(PROCESS_LABEL, ""))
        if owner is not None and owner.gone:
            container.remove(force=True, v=True)
            removed += 1
    for volume in client.volumes.list(filters=wanted):
        owner = Owner.parse((volume.attrs.get("Labels") or {}).get(PROCESS_LABEL, ""))
        if owner is not None and owner.gone:
            volume.remove(force=True)
    return removed


def _open_output(container: dict[str, Any]) -> int | None:
    """Open a container's output file system from the host, or None where the host cannot.

    The process number may be one of another kernel, such as of Docker Desktop's virtual machine: it is believed only if
    its control group names the container.
    """
    process = f"/proc/{container['State']['Pid']}"
    try:
        with open(f"{process}/cgroup") as groups:
            if container["Id"] not in groups.read():
                return None
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(f"{process}/root{JOB}/out", flags)
    except OSError:
        return None


def _engine_address() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def _try_socket() -> None:
    """Raise OSError if a local engine's socket does not answer: the SDK would leave its own socket open."""
    path = _engine_address().removeprefix("unix://")
    if path.startswith("/"):
        with socket.socket(socket.AF_UNIX) as tried:
            tried.connect(path)


def _torch_has_cuda() -> bool:
    return any(package.name.startswith(("nvidia-", "cuda-")) for package in required_distributions())
