"""What the sandboxes must withstand: hostile programs on the real backends."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.base import Exit, Outcome
from sandbox.outcome import TrialFailure, read_trial_result
from sandbox.supervise import PooledSandbox

from .conftest import CONFINING, LIMITS, VARIANTS, processes_with, script

Run = Callable[..., Outcome]
Started = Callable[[str], PooledSandbox]

pytestmark = pytest.mark.slow

FACTS = """
import json, os, socket, sys

def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"

status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
root = os.environ["NEURAMOSAIC_JOB"]
facts = {
    "argv": sys.argv[1:],
    "uid": os.getuid(),
    "capabilities": [status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "environment": dict(os.environ),
    "data": open(root + "/data/corpus.bin").read(),
    "write": {path: attempt(lambda: open(path + "/planted", "w")) for path in
              ("/", "/usr", "/etc", root, root + "/in", root + "/data", "/opt/neuramosaic/code/sandbox", "/dev")},
    "connect": attempt(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2)),
    "outside": attempt(lambda: socket.create_connection(("192.0.2.1", 80), timeout=2)),
    "namespace": attempt(lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else __import__("ctypes").CDLL(
        None, use_errno=True).unshare(0x10000000) and (_ for _ in ()).throw(OSError("refused"))),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "home": attempt(lambda: open(os.environ["HOME"] + "/x", "w")),
}
json.dump(facts, open("facts.json", "w"))
print("seen")
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on the host's loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_program_runs_and_sees_only_what_it_may(
    variant: str, run: Run, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    port = listener.getsockname()[1]
    outcome = run(variant, FACTS, str(port))
    assert (outcome.exit, outcome.exit_code, outcome.stdout_tail) == (Exit.FINISHED, 0, "seen\n"), outcome
    assert outcome.backend == variant.partition("-")[0]
    assert list(outcome.files) == ["facts.json"]
    assert outcome.directory is not None
    facts = json.loads((outcome.directory / "facts.json").read_text())
    assert facts["argv"] == [str(port)]
    assert facts["data"] == "read me"
    assert facts["home"] == "done"
    assert "sk-planted" not in json.dumps(facts["environment"])
    if variant == "process":
        assert facts["connect"] == "done", "the control: without a sandbox the listener can be reached"
        return
    assert facts["uid"] == 65534
    assert facts["capabilities"] == ["0000000000000000"] * 4
    assert facts["no_new_privileges"] == "1"
    assert set(facts["write"].values()) <= {"OSError", "PermissionError", "FileNotFoundError"}
    assert facts["connect"] != "done"
    assert facts["outside"] != "done"
    assert facts["namespace"] != "done"
    assert facts["processes"] <= 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_wall_limit_kills_the_whole_tree_whatever_it_ignores(variant: str, run: Run) -> None:
    mark = f"mark-{variant}-{os.getpid()}"
    outcome = run(
        variant,
        """
        import os, signal, subprocess, sys, time
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        sleep = "import os, sys, time; os.setsid(); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", sleep, sys.argv[1]])
        if os.fork() == 0:
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, "-c", sleep, sys.argv[1]])
            os._exit(0)
        print("all there", flush=True)
        time.sleep(600)
        """,
        mark,
        wall_s=3,
    )
    assert (outcome.exit, outcome.exit_code, outcome.reason) == (Exit.TIMEOUT, None, "wall limit of 3 s")
    assert 3 <= outcome.seconds < 10
    assert outcome.stdout_tail == "all there\n"
    assert processes_with(mark) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_finished_program_leaves_running_is_ended(variant: str, run: Run) -> None:
    mark = f"daemon-{variant}-{os.getpid()}"
    outcome = run(
        variant,
        """
        import subprocess, sys, time
        sleep = "import os, time; os.setsid(); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", sleep, sys.argv[1]])
        time.sleep(1)
        """,
        mark,
    )
    assert outcome.exit is Exit.FINISHED
    assert processes_with(mark) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_memory_bomb_is_out_of_memory(variant: str, run: Run) -> None:
    outcome = run(
        variant,
        """
        import time
        kept = []
        while True:
            kept.append(bytearray(b"x") * 2**24)
            time.sleep(0.005)
        """,
    )
    assert (outcome.exit, outcome.reason) == (Exit.OUT_OF_MEMORY, "out of memory: more than 768 MiB"), outcome


@pytest.mark.parametrize("variant", CONFINING)
def test_a_fork_bomb_stays_inside_its_limit(variant: str, run: Run) -> None:
    before = len(psutil.pids())
    outcome = run(
        variant,
        """
        import os, time
        made = 0
        try:
            while made < 500:
                if os.fork() == 0:
                    time.sleep(600)
                    os._exit(0)
                made += 1
        except OSError:
            pass
        open("made.txt", "w").write(str(made))
        print("contained", flush=True)
        """,
        wall_s=60,
    )
    if outcome.exit is Exit.KILLED:  # a watcher saw it first
        assert outcome.reason == "process limit: more than 48 processes and threads"
    else:
        assert outcome.exit is Exit.FINISHED
        assert outcome.directory is not None
        assert 5 < int((outcome.directory / "made.txt").read_text()) <= 48
    assert len(psutil.pids()) < before + 40


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("data = b'x' * 2**20\nwith open('big', 'wb') as f:\n    for _ in range(40): f.write(data)", "more than 8 MiB"),
        ("for i in range(400): open(str(i), 'w').close()", "more than 30 files"),
        ("import os\nfor i in range(200000): os.write(1, b'y' * 100)", "printed more than 128 KiB"),
    ],
    ids=["bytes", "files", "stdout"],
)
def test_a_flood_of_output_ends_the_job(variant: str, run: Run, source: str, reason: str) -> None:
    outcome = run(variant, source + "\nimport time; time.sleep(3)")
    assert outcome.exit is Exit.OUTPUT_LIMIT, outcome
    assert reason in outcome.reason
    assert sum(outcome.files.values()) <= LIMITS.output_mib * 2**20
    assert len(outcome.files) <= LIMITS.output_files
    assert len(outcome.stdout_tail) <= LIMITS.stdio_kib * 1024


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_plain_files_come_home(variant: str, run: Run) -> None:
    outcome = run(
        variant,
        """
        import os, socket
        open("plain.txt", "w").write("kept")
        os.makedirs("folder/inner")
        open("folder/inner/too.txt", "w").write("kept too")
        os.symlink("/etc/passwd", "result.json")
        os.symlink("/etc", "etc")
        os.mkfifo("metrics.jsonl")
        socket.socket(socket.AF_UNIX).bind("socket")
        try:
            os.mknod("device", 0o20666, os.makedev(1, 5))
        except OSError:
            pass
        open("line\\nbreak", "w").write("odd")
        os.makedirs("/".join("d" * 10)) 
        open("/".join("d" * 10) + "/deep.txt", "w").write("deep")
        with open("sparse", "wb") as f:
            try:
                f.truncate(2**40)
            except OSError:
                pass
        os._exit(0)
        """,
    )
    assert outcome.exit is Exit.FINISHED, outcome
    assert dict(outcome.files) == {"plain.txt": 4, "folder/inner/too.txt": 8} | (
        {"sparse": 0} if "sparse" in outcome.files else {}
    )
    assert outcome.directory is not None
    assert all(path.is_dir() or path.is_file() for path in outcome.directory.rglob("*"))
    assert not any(path.is_symlink() for path in outcome.directory.rglob("*"))
    failure = read_trial_result(outcome)
    assert isinstance(failure, TrialFailure)
    assert failure.reason == "the job left no valid result.json: it is missing"


@pytest.mark.parametrize("variant", CONFINING)
def test_two_jobs_do_not_see_each_other_and_the_next_is_clean(variant: str, started: Started, tmp_path: Path) -> None:
    source = """
        import os, sys, time
        for folder in ("/tmp", ".", "/dev/shm"):
            assert not os.path.exists(folder + "/planted")
        open("/tmp/planted", "w").write(sys.argv[1])
        open("mine", "w").write(sys.argv[1])
        open("/dev/shm/planted", "w").write(sys.argv[1])
        time.sleep(2)
        print(sorted(os.listdir(".")), sorted(os.listdir("/dev/shm")))
        print(open("/tmp/planted").read())
    """
    outcomes: dict[str, Outcome] = {}

    def go(name: str) -> None:
        outcomes[name] = started(variant).run(script(source, name, name=name), limits=LIMITS, keep=tmp_path / name)

    threads = [threading.Thread(target=go, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    go("c")
    for name, outcome in outcomes.items():
        assert outcome.stdout_tail.splitlines()[-2:] == ["['mine'] ['planted']", name], outcome


@pytest.mark.parametrize("variant", CONFINING)
def test_an_attack_on_init_ends_at_the_wall_at_the_latest(variant: str, run: Run) -> None:
    outcome = run(
        variant,
        """
        import ctypes, os, signal
        libc = ctypes.CDLL(None)
        libc.ptrace(16, 1, 0, 0)  # PTRACE_ATTACH
        for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
            try:
                os.kill(1, number)
            except OSError:
                pass
        """,
        wall_s=5,
    )
    assert outcome.exit in (Exit.FINISHED, Exit.ERROR, Exit.TIMEOUT)
    assert outcome.seconds < 12
