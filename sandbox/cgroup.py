"""Kernel limits for workers that no container engine starts: control groups, version 1 or 2, when run as root.

An ordinary user gets the same through `systemd-run --user --scope`, where a user session of systemd is there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.base import Limits
from sandbox.workdir import Owner

ROOT = Path("/sys/fs/cgroup")
_PARENT = "neuramosaic"
_CPU_PERIOD_US = 100_000


@dataclass
class ControlGroup:
    """The group of one worker.

    Attributes:
        folders: Its folder in each hierarchy: one in version 2, one for each controller in version 1.
        events: File that counts the processes killed for memory.
    """

    folders: tuple[Path, ...]
    events: Path
    _kills: int = field(default=0, init=False)

    @property
    def procs(self) -> tuple[Path, ...]:
        """Files that a process writes itself into to join."""
        return tuple(folder / "cgroup.procs" for folder in self.folders)

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something in the group for memory."""
        for line in self.events.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1]) > 0
        return False

    def remove(self) -> None:
        """Remove the group, whose processes are dead; waits a moment for the kernel to agree."""
        for folder in self.folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


def create(name: str, limits: Limits) -> ControlGroup:
    """Make a group with `limits` on memory (swap included), processes and processor time.

    Raises:
        OSError: If this process may not.
    """
    memory, quota = limits.memory_mib * 2**20, int(limits.cpus * _CPU_PERIOD_US)
    if (ROOT / "cgroup.controllers").exists():
        parent = ROOT / _PARENT
        parent.mkdir(exist_ok=True)
        for folder in (ROOT, parent):
            (folder / "cgroup.subtree_control").write_text("+memory +pids +cpu")
        folder = parent / name
        folder.mkdir()
        (folder / "memory.max").write_text(str(memory))
        with contextlib.suppress(FileNotFoundError):  # a kernel without swap accounting
            (folder / "memory.swap.max").write_text("0")
        (folder / "pids.max").write_text(str(limits.pids))
        (folder / "cpu.max").write_text(f"{quota} {_CPU_PERIOD_US}")
        return ControlGroup((folder,), folder / "memory.events")
    folders = {kind: ROOT / kind / _PARENT / name for kind in ("memory", "pids", "cpu")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    (folders["memory"] / "memory.limit_in_bytes").write_text(str(memory))
    with contextlib.suppress(FileNotFoundError):
        (folders["memory"] / "memory.memsw.limit_in_bytes").write_text(str(memory))
    (folders["pids"] / "pids.max").write_text(str(limits.pids))
    (folders["cpu"] / "cpu.cfs_period_us").write_text(str(_CPU_PERIOD_US))
    (folders["cpu"] / "cpu.cfs_quota_us").write_text(str(quota))
    return ControlGroup(tuple(folders.values()), folders["memory"] / "memory.oom_control")


def available() -> bool:
    """Whether groups can be made here: tries it."""
    if os.geteuid() != 0:
        return False
    try:
        create(f"{Owner.current()}-probe", Limits()).remove()
    except OSError:
        return False
    return True


def remove_orphans() -> None:
    """Remove the groups of processes that were killed."""
    for parent in (ROOT / _PARENT, *(ROOT / kind / _PARENT for kind in ("memory", "pids", "cpu"))):
        for folder in parent.glob("*@*") if parent.is_dir() else ():
            owner = Owner.parse(folder.name.rpartition("-")[0])
            if owner is not None and owner.gone:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def systemd_scope(limits: Limits) -> list[str]:
    """Return the command prefix that puts a program of an ordinary user under `limits`."""
    return [
        "systemd-run", "--user", "--scope", "--quiet", "--collect",
        f"--property=MemoryMax={limits.memory_mib}M", "--property=MemorySwapMax=0",
        f"--property=TasksMax={limits.pids}", f"--property=CPUQuota={max(1, int(limits.cpus * 100))}%",
        "--",
    ]  # fmt: skip


def systemd_scope_available() -> bool:
    """Whether `systemd_scope` works here: tries it."""
    if os.geteuid() == 0 or shutil.which("systemd-run") is None:
        return False
    tried = subprocess.run([*systemd_scope(Limits()), "true"], capture_output=True, timeout=10, check=False)
    return tried.returncode == 0
