"""What every sandbox must do with a job, on the real backends; `test_hostile_programs` has what it must withstand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from neuramosaic.errors import SandboxError
from sandbox.base import Exit, Outcome, SandboxConfig
from sandbox.supervise import PooledSandbox

from .conftest import LIMITS, VARIANTS, make, processes_with, script

Run = Callable[..., Outcome]
Started = Callable[[str], PooledSandbox]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_exit_status_and_last_words_of_a_failing_program(variant: str, run: Run) -> None:
    outcome = run(variant, "import sys; print('oh', file=sys.stderr); sys.exit(7)")
    assert (outcome.exit, outcome.exit_code, outcome.stderr_tail) == (Exit.ERROR, 7, "oh\n")


@pytest.mark.parametrize("variant", VARIANTS)
def test_harmless_metrics_arrive_while_the_job_runs_and_others_never(
    variant: str, started: Started, tmp_path: Path
) -> None:
    rows: list[tuple[float, dict[str, object]]] = []
    outcome = started(variant).run(
        script(
            """
            import time
            with open("metrics.jsonl", "w", buffering=1) as f:
                f.write('{"tokens": 1, "train_loss": 2.5, "note": "x"}\\n')
                time.sleep(4)
                for line in ('{"tokens": NaN}', '{"tokens": 1e999}', "[1]", "{", '{"tokens": 1, "tokens": 2}',
                             "x" * 9000, '{"step": 1}', '{"tokens": "x"}', '{"tokens": 1, "val_loss": null}',
                             "[" * 3000, '{"tokens": 2}'):
                    f.write(line + "\\n")
                f.write('{"tokens": 3}')  # not complete
            """
        ),
        limits=LIMITS,
        keep=tmp_path,
        on_metrics=lambda row: rows.append((time.monotonic(), row)),
    )
    assert outcome.exit is Exit.FINISHED, outcome
    assert [row for _, row in rows] == [{"tokens": 1, "train_loss": 2.5}, {"tokens": 2}]
    assert rows[1][0] - rows[0][0] > 1, "the first line came only with the last"


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_it_prints_comes_home_without_control_characters(variant: str, run: Run) -> None:
    source = """
        import sys
        print("\\x1b]0;owned\\x07 a\\tb\\x9b")
        sys.exit("\\x1b[2Jgone")
    """
    outcome = run(variant, source)
    assert outcome.stdout_tail == "\ufffd]0;owned\ufffd a\tb\ufffd\n", outcome
    assert outcome.stderr_tail.endswith("\ufffd[2Jgone\n"), outcome


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_an_earlier_attempt_left_does_not_stand_in_the_way(variant: str, run: Run) -> None:
    assert run(variant, "import os; os.mkdir('a'); open('a/b', 'w').write('1')").files == {"a/b": 1}
    outcome = run(variant, "open('a', 'w').write('22')")
    assert outcome.files == {"a": 2}
    assert outcome.directory is not None
    assert [path.name for path in outcome.directory.iterdir()] == ["a"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cancelled_job_is_killed(variant: str, started: Started, tmp_path: Path) -> None:
    cancel = threading.Event()
    threading.Timer(1.0, cancel.set).start()
    outcome = started(variant).run(script("import time; time.sleep(600)"), limits=LIMITS, keep=tmp_path, cancel=cancel)
    assert (outcome.exit, outcome.exit_code, outcome.reason) == (Exit.KILLED, None, "cancelled")
    assert outcome.seconds < 15


@pytest.mark.parametrize("when", [0.0, 6.0])
@pytest.mark.parametrize("variant", VARIANTS)
def test_stop_ends_a_job_and_everything_on_the_host(variant: str, when: float, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    sandbox = make(variant, SandboxConfig(limits=LIMITS, allow_process=True, scratch=tmp_path / "scratch"))
    sandbox.start()
    outcomes: list[Outcome] = []
    runner = threading.Thread(
        target=lambda: outcomes.append(
            sandbox.run(script("import time; time.sleep(600)"), limits=LIMITS, keep=tmp_path / "kept")
        )
    )
    runner.start()
    time.sleep(when)
    sandbox.stop()
    sandbox.stop()
    runner.join(10)
    assert [outcome.exit for outcome in outcomes] == [Exit.KILLED]
    assert list((tmp_path / "scratch").iterdir()) == []


ORPHANS = """
import sys, time
from pathlib import Path
from contract_conftest import make
from sandbox.base import Limits, SandboxConfig
sandbox = make(sys.argv[1], SandboxConfig(allow_process=True, scratch=Path(sys.argv[2]), label=sys.argv[3],
                                          limits=Limits(memory_mib=512)))
sandbox.start()
time.sleep(3)
print("up", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_a_killed_process_left_is_removed_at_the_next_start(variant: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    scratch, label = tmp_path / "scratch", f"orphans-{os.getpid()}-{variant}"
    (tmp_path / "contract_conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    root = Path(__file__).parents[2]
    host = subprocess.Popen(
        [sys.executable, "-c", ORPHANS, variant, str(scratch), label],
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"},
        stdout=subprocess.PIPE,
    )
    try:
        assert host.stdout is not None
        assert host.stdout.readline() == b"up\n"
        host.send_signal(signal.SIGKILL)
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
    if not variant.startswith("docker"):
        deadline = time.monotonic() + 5
        while processes_with(str(scratch)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert processes_with(str(scratch)) == [], "they die with the process that started them"
    sandbox = make(variant, SandboxConfig(allow_process=True, scratch=scratch, label=label, limits=LIMITS))
    sandbox.start()
    try:
        assert len(list(scratch.iterdir())) == 1
        if variant.startswith("docker"):
            assert _containers_not_of_this_process(label) == []
    finally:
        sandbox.stop()


def test_a_job_with_limits_of_its_own_gets_a_worker_made_for_them(run: Run) -> None:
    outcome = run("process", "import os; print(os.environ['OMP_NUM_THREADS'])", cpus=2.0)
    assert outcome.stdout_tail == "2\n"


def test_a_worker_that_cannot_start_is_an_error_of_the_sandbox_and_not_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = make("process", SandboxConfig(limits=LIMITS, allow_process=True, scratch=tmp_path))
    monkeypatch.setattr("sandbox.process.worker_environment", lambda *_, **__: {"NEURAMOSAIC_JOB": str(tmp_path)})
    sandbox.start()
    try:
        with pytest.raises(SandboxError, match=r"ended before it had a job: .*No such file"):
            sandbox.run(script("pass"), limits=LIMITS, keep=tmp_path / "kept")
    finally:
        sandbox.stop()


def _containers_not_of_this_process(label: str) -> list[str]:
    from sandbox.docker import OWNER_LABEL, PROCESS_LABEL, connect
    from sandbox.workdir import Owner

    client = connect()
    try:
        found = client.containers.list(all=True, filters={"label": f"{OWNER_LABEL}={label}"})
        return [str(item.name) for item in found if item.labels[PROCESS_LABEL] != str(Owner.current())]
    finally:
        client.close()
