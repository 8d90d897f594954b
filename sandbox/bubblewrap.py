"""The `bubblewrap` backend: unprivileged namespaces, for Linux without a container engine."""

from __future__ import annotations

import itertools
import json
import os
import platform
import select
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from neuramosaic.errors import SandboxError, SandboxUnavailableError
from sandbox import cgroup, seccomp
from sandbox.base import Limits, SandboxConfig
from sandbox.collect import SLACK_BYTES, OutputDirectory
from sandbox.process import ChildWorker, exit_code
from sandbox.runtime import (
    CODE,
    JOB,
    SANDBOX_UID,
    SITE,
    cache_bytecode,
    interpreter,
    required_distributions,
    stage_code,
    standard_library,
    worker_environment,
)
from sandbox.supervise import Ending, PooledSandbox, Verdict, Worker
from sandbox.workdir import InputDirectory, Scratch, require_readable

_OLDEST = "0.8"
"""The first bubblewrap that knows --disable-userns."""
_INSTALL = "Install bubblewrap (apt install bubblewrap) or Docker."
_START_TIMEOUT_S = 20.0
_TMP_BYTES = 64 * 2**20
_SHM_BYTES = 32 * 2**20
_STAGE = "/mnt"
"""Where root lays out, in a mount namespace of its own, what the sandboxed user could not reach (such as /root/...)."""


@dataclass(frozen=True)
class Bind:
    """A host path that the sandbox sees read-only.

    Attributes:
        source: On the host.
        target: Inside.
    """

    source: Path
    target: str


class BubblewrapSandbox(PooledSandbox):
    """Runs jobs in fresh user, mount, process, network, IPC, UTS and cgroup namespaces.

    Root of the host never runs bubblewrap: it becomes an ordinary user first. Memory, processes and processor time are
    limited by a control group, where this user may make one (`limiter` says), else by watching.

    Attributes:
        limiter: "cgroup", "systemd scope" or "watcher"; known once started.
    """

    name = "bubblewrap"

    def __init__(self, config: SandboxConfig, *, use_groups: bool = True) -> None:
        """Start nothing.

        Args:
            config: See there.
            use_groups: Whether to limit by control group where that is possible.
        """
        super().__init__(config)
        self.limiter = "watcher"
        self._use_groups = use_groups
        self._numbers = itertools.count()

    def prepare(self) -> None:
        """Try whether namespaces can be made here; find what the worker needs; stage the code."""
        problem = unavailable()
        if problem is not None:
            raise problem
        if self.config.data_dir is not None and os.geteuid() == 0:
            require_readable(self.config.data_dir)
        self._scratch = Scratch(self.config.scratch, self.name)
        self._code = stage_code(self._scratch.path / "code")
        cache_bytecode()
        self._binds = (*host_binds(), Bind(self._code, CODE))
        self._filter = seccomp.program()
        cgroup.remove_orphans()
        if self._use_groups and cgroup.available():
            self.limiter = "cgroup"
        elif self._use_groups and cgroup.systemd_scope_available():
            self.limiter = "systemd scope"

    def launch(self, limits: Limits) -> Worker:
        """Start one worker in namespaces of its own."""
        number = next(self._numbers)
        root = self._scratch.path / f"job-{number}"
        inputs = InputDirectory(root / "in")
        binds = [*self._binds, Bind(inputs.path, f"{JOB}/in")]
        if self.config.data_dir is not None:
            binds.append(Bind(self.config.data_dir.resolve(), f"{JOB}/data"))
        group = cgroup.create(f"{self._scratch.owner}-{number}", limits) if self.limiter == "cgroup" else None
        info_read, info_write = os.pipe()
        inherited = [info_write]
        try:
            filter_read = _pipe_holding(self._filter) if self._filter else None
            if filter_read is not None:
                inherited.append(filter_read)
            inside = self._arguments(limits, info_write, filter_read)
            process = subprocess.Popen(
                self._command(binds, inside, limits, group),
                pass_fds=inherited,
                cwd="/",
                env=_outer_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError:
            os.close(info_read)
            inputs.remove()
            if group is not None:
                group.remove()
            raise
        finally:
            for descriptor in inherited:
                os.close(descriptor)
        try:
            folder = _open_output(process, info_read, inputs.path)
        except SandboxError:
            process.kill()
            process.wait()
            inputs.remove()
            if group is not None:
                group.remove()
            raise
        finally:
            os.close(info_read)
        return BubblewrapWorker(process, inputs, OutputDirectory(folder, own_file_system=True), limits, self, group)

    def _arguments(self, limits: Limits, info: int, seccomp_filter: int | None) -> list[str]:
        """Return what follows the binds on bubblewrap's command line."""
        out_bytes = limits.output_mib * 2**20 + SLACK_BYTES
        threads = max(1, int(limits.cpus))
        environment = worker_environment(threads, job=JOB, python_path=f"{CODE}:{SITE}", home="/tmp")
        rlimits = {"nofile": 256, "core": 0, "fsize": out_bytes}
        if self.limiter == "watcher" and _counts_processes_by_namespace():
            rlimits["nproc"] = limits.pids
        return [
            "--size", str(out_bytes), "--perms", "0700", "--tmpfs", f"{JOB}/out",
            "--dir", f"{JOB}/data", "--dir", f"{JOB}/in",
            "--remount-ro", "/",
            "--info-fd", str(info),
            *(["--seccomp", str(seccomp_filter)] if seccomp_filter is not None else []),
            "--clearenv", *(part for name, value in environment.items() for part in ("--setenv", name, value)),
            "--chdir", "/tmp",
            "--", str(interpreter()), "-m", "sandbox.confine", json.dumps(rlimits),
        ]  # fmt: skip

    def _command(
        self, binds: list[Bind], inside: list[str], limits: Limits, group: cgroup.ControlGroup | None
    ) -> list[str]:
        """Return the whole command line: enter the limits, become an ordinary user, run bubblewrap."""
        if os.geteuid() != 0:
            scope = cgroup.systemd_scope(limits) if self.limiter == "systemd scope" else []
            return [*scope, *_bwrap(binds), *inside]
        staged = [Bind(Path(f"{_STAGE}/{index}"), bind.target) for index, bind in enumerate(binds)]
        drop = ["setpriv", f"--reuid={SANDBOX_UID}", f"--regid={SANDBOX_UID}", "--clear-groups"]
        script = [f"echo $$ > {shlex.quote(str(file))}" for file in (group.procs if group else ())]
        script.append(f"mount -t tmpfs -o size=256k,mode=0755 tmpfs {_STAGE}")
        for bind, stage in zip(binds, staged, strict=True):
            make = "mkdir" if bind.source.is_dir() else "touch"
            script.append(f"{make} {stage.source}")
            script.append(f"mount --rbind {shlex.quote(str(bind.source))} {stage.source}")
        script.append("exec " + shlex.join([*drop, *_bwrap(staged), *inside]))
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(script)]

    def release(self) -> None:
        """Remove the job folders."""
        self._scratch.remove()


class BubblewrapWorker(ChildWorker):
    """A worker in namespaces of its own. Killing bubblewrap ends them, and with them every process inside."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        inputs: InputDirectory,
        output: OutputDirectory,
        limits: Limits,
        sandbox: BubblewrapSandbox,
        group: cgroup.ControlGroup | None,
    ) -> None:
        super().__init__(process, inputs, output, limits)
        self.image = f"host python {sys.version.split()[0]} in namespaces, limits by {sandbox.limiter}"
        self._limiter, self._group = sandbox.limiter, group

    def breach(self, limits: Limits) -> Verdict | None:
        """Return the limit that the job has gone over, if no control group keeps it."""
        return self._watch.breach(limits) if self._limiter == "watcher" else None

    def ending(self) -> Ending:
        """Return how it ended, and whether the control group's memory limit ended it."""
        known = super().ending()
        if self._group is not None:
            return Ending(known.exit_code, self._group.out_of_memory())
        # A scope is gone with its last process, and its counters with it: SIGKILL by nobody else says it.
        by_kernel = self._limiter == "systemd scope" and known.exit_code == exit_code(-9)
        return Ending(known.exit_code, by_kernel)

    def close(self) -> None:
        """End it, and remove its control group."""
        super().close()
        if self._group is not None:
            self._group.remove()


def host_binds() -> tuple[Bind, ...]:
    """Return what a worker needs of the host: system libraries, the interpreter, and the packages it imports."""
    binds = [Bind(Path("/usr"), "/usr")]
    cache = Path("/etc/ld.so.cache")
    if cache.exists():
        binds.append(Bind(cache, str(cache)))
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        binds.append(Bind(Path(sys.base_prefix), sys.base_prefix))
    binds += [Bind(entry, f"{SITE}/{entry.name}") for entry in _site_entries()]
    return tuple(binds)


def _site_entries() -> list[Path]:
    entries = {entry for distribution in required_distributions() for entry in distribution.entries}
    return sorted(entry for entry in entries if entry.suffix not in (".pth", ".dist-info"))


def _hidden() -> list[str]:
    """Return the folders of packages that the interpreter would find besides those bound."""
    stdlib = standard_library()
    folders = (stdlib / "site-packages", stdlib / "dist-packages", Path("/usr/lib/python3/dist-packages"))
    return [str(folder) for folder in folders if folder.is_dir()]


def _bwrap(binds: list[Bind]) -> list[str]:
    """Return bubblewrap's command line up to the job's own folders."""
    links = [path for path in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32") if os.path.islink(path)]
    plain = [path for path in ("/lib", "/lib64") if os.path.isdir(path) and not os.path.islink(path)]
    gpus = sorted(str(path) for path in Path("/dev").glob("nvidia*") if path.is_char_device())
    return [
        "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session",
        "--uid", str(SANDBOX_UID), "--gid", str(SANDBOX_UID), "--hostname", "sandbox",
        "--proc", "/proc", "--dev", "/dev", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm",
        *(part for gpu in gpus for part in ("--dev-bind", gpu, gpu)),
        "--remount-ro", "/dev",
        "--size", str(_TMP_BYTES), "--tmpfs", "/tmp",
        *(part for path in links for part in ("--symlink", os.readlink(path), path)),
        *(part for path in plain for part in ("--ro-bind", path, path)),
        *(part for bind in binds for part in ("--ro-bind", str(bind.source), bind.target)),
        *(part for folder in _hidden() for part in ("--size", "4096", "--tmpfs", folder, "--remount-ro", folder)),
    ]  # fmt: skip


def _outer_environment() -> dict[str, str]:
    """Return the environment of bubblewrap itself; only what systemd-run needs to find the user's session."""
    kept = {name: os.environ[name] for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if name in os.environ}
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **kept}


def _pipe_holding(data: bytes) -> int:
    """Return the reading end of a pipe that holds `data` (less than a pipe's 64 KiB)."""
    read, write = os.pipe()
    with open(write, "wb") as sink:
        sink.write(data)
    return read


def _open_output(process: subprocess.Popen[bytes], info: int, inputs: Path) -> int:
    """Open the sandbox's own output file system from the host.

    It is mounted in the sandbox alone, so that nothing of it can be left on the host. The descriptor is taken before
    there is a job, and outlives the sandbox.
    """
    expected = os.stat(inputs)
    deadline = time.monotonic() + _START_TIMEOUT_S
    text = b""
    while time.monotonic() < deadline and process.poll() is None:
        if select.select([info], [], [], 0.01)[0] and (piece := os.read(info, 4096)):
            text += piece
            continue
        if not text.rstrip().endswith(b"}"):
            time.sleep(0.002)
            continue
        root = f"/proc/{json.loads(text)['child-pid']}/root{JOB}"
        try:
            seen = os.stat(f"{root}/in")
            if (seen.st_dev, seen.st_ino) == (expected.st_dev, expected.st_ino):
                return os.open(f"{root}/out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            pass  # its file systems are not in place yet
        time.sleep(0.002)
    process.kill()
    assert process.stderr is not None
    said = process.stderr.read(2000).decode(errors="replace").strip()
    raise SandboxError(f"bubblewrap did not start a worker: {said or 'no message'}")


def _counts_processes_by_namespace() -> bool:
    """Whether RLIMIT_NPROC counts within a user namespace (Linux 5.14), and not all of this user's processes."""
    major, minor = (int(part) for part in platform.release().split(".")[:2])
    return (major, minor) >= (5, 14)


def unavailable() -> SandboxUnavailableError | None:
    """Return why bubblewrap cannot be used here, or None: tries it."""
    if sys.platform != "linux":
        return SandboxUnavailableError("bubblewrap", "it is for Linux", "Use Docker.")
    needed = ["bwrap"] + (["setpriv", "unshare", "mount"] if os.geteuid() == 0 else [])
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        return SandboxUnavailableError("bubblewrap", f"{' and '.join(missing)} not found", _INSTALL)
    drop = ["setpriv", f"--reuid={SANDBOX_UID}", f"--regid={SANDBOX_UID}", "--clear-groups"]
    command = [*(drop if os.geteuid() == 0 else []), *_bwrap([Bind(Path("/usr"), "/usr")]), "/usr/bin/true"]
    tried = subprocess.run(command, capture_output=True, env=_outer_environment(), cwd="/", timeout=20, check=False)
    if tried.returncode == 0:
        return None
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    if any("Unknown option" in line for line in said):
        return SandboxUnavailableError(
            "bubblewrap", f"needs bubblewrap {_OLDEST} or newer ({said[0]})", "Upgrade bubblewrap, or use Docker."
        )
    return SandboxUnavailableError(
        "bubblewrap",
        f"it cannot make namespaces here ({said[-1] if said else f'exit status {tried.returncode}'})",
        "Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns=0), or use Docker.",
    )
