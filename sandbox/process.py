"""The `process` backend: a child process with resource limits. It is not a sandbox."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from neuramosaic.errors import SandboxUnavailableError
from sandbox.base import Limits, SandboxConfig
from sandbox.collect import SLACK_BYTES, OutputDirectory
from sandbox.runtime import required_distributions, stage_code, worker_environment
from sandbox.stdio import Stdio
from sandbox.supervise import Ending, PooledSandbox, Verdict, Worker
from sandbox.watch import TreeWatch
from sandbox.workdir import InputDirectory, Scratch

WARNING = (
    "the process backend is not a sandbox: code runs with your rights, can read your files and use the network; "
    "only limits on memory, processes, output and wall time are kept, by watching"
)


class ProcessSandbox(PooledSandbox):
    """Runs jobs as child processes of the host. THIS IS NOT A SANDBOX.

    It is for code that you trust: the catalogue's own components, tests, machines without Docker and bubblewrap. The
    job has your user's rights: it can read your files, use the network, and leave a daemon behind if it tries to. What
    it does have: the same protocol, a scrubbed environment, limits kept by a watcher, and an end to its process tree.

    Attributes:
        warning: The same in one line, for whoever must be told.
    """

    name = "process"
    warning = WARNING

    def __init__(self, config: SandboxConfig) -> None:
        super().__init__(config)
        self._numbers = itertools.count()

    def prepare(self) -> None:
        """Refuse unless it was asked for; stage the code."""
        if not self.config.allow_process:
            raise SandboxUnavailableError(
                self.name, "it confines nothing and was not asked for", "Ask for it by name if you trust the code."
            )
        self._scratch = Scratch(self.config.scratch, self.name)
        code = stage_code(self._scratch.path / "code")
        packages = {str(entry.parent): None for package in required_distributions() for entry in package.entries}
        self._python_path = os.pathsep.join([str(code), *packages])

    def launch(self, limits: Limits) -> Worker:
        """Start one child process."""
        root = self._scratch.path / f"job-{next(self._numbers)}"
        inputs = InputDirectory(root / "in")
        for name in ("out", "tmp"):
            (root / name).mkdir(mode=0o700)
        if self.config.data_dir is not None:
            (root / "data").symlink_to(self.config.data_dir.resolve(), target_is_directory=True)
        else:
            (root / "data").mkdir()
        wanted = {"nofile": 256, "core": 0, "fsize": limits.output_mib * 2**20 + SLACK_BYTES, "parent": os.getpid()}
        # Opened first: a host without free descriptors must not be left with a child that nobody watches.
        output = OutputDirectory(
            os.open(root / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), own_file_system=False
        )
        try:
            process = self._start(root, limits, wanted)
        except OSError:
            output.close()
            inputs.remove()
            raise
        return ChildWorker(process, inputs, output, limits)

    def _start(self, root: Path, limits: Limits, wanted: dict[str, int]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox.confine", json.dumps(wanted)],
            cwd=root,
            env=worker_environment(
                max(1, int(limits.cpus)), job=str(root), python_path=self._python_path, home=str(root / "tmp")
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def release(self) -> None:
        """Remove the job folders."""
        self._scratch.remove()


class ChildWorker(Worker):
    """A worker that is a child process of the host."""

    def __init__(
        self, process: subprocess.Popen[bytes], inputs: InputDirectory, output: OutputDirectory, limits: Limits
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.inputs, self.output = inputs, output
        self.stdio = Stdio(limits.stdio_kib * 1024)
        self.stdio.read_pipes(process.stdout, process.stderr)
        self.image = f"host python {sys.version.split()[0]}"
        self._process = process
        self._watch = TreeWatch(process.pid)
        self._killed = False

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the child itself."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def breach(self, limits: Limits) -> Verdict | None:
        """Return the limit on memory or processes that the tree has gone over."""
        return self._watch.breach(limits)

    def kill(self) -> None:
        """End the tree."""
        self._killed = True
        self._watch.kill()
        self._process.wait()

    def ending(self) -> Ending:
        """Return the exit code; what the child had started and left behind is ended first."""
        self._watch.kill()
        code = self._process.returncode
        return Ending(None if self._killed else exit_code(code))

    def close(self) -> None:
        """End it, close what the host had open, remove its folder."""
        self.kill()
        self.stdio.drain()
        self.output.close()
        self.inputs.remove()


def exit_code(returncode: int) -> int:
    """Return a Popen return code as a shell would give it: 128 + signal for a signal."""
    return 128 - returncode if returncode < 0 else returncode
