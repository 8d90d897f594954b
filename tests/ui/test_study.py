"""A real, tiny study through the command line, each command in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.control import is_running
from neuramosaic.store.records import TrialState
from neuramosaic.store.store import Store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
CONFIG = """
task: recall
task_settings: {pairs: 2, keys: 4, values: 4, sequence_length: 16, train_sequences: 200, val_sequences: 16}
params: 20k
trials: 9
tokens: 1k
rungs: 1
batch_size: 8
threads: 1
space: {mixers: [attention, gated_conv], channels: [mlp, swiglu], modulators: [none]}
"""
LONG = ("--tokens", "50M", "--trials", "1")


def neuramosaic(workspace: Path, *words: object, timeout_s: float = 480) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(words),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=workspace.parent,
        env=environment(workspace),
    )


def command(words: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "ui.cli", *map(str, words)]


def environment(workspace: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "NEURAMOSAIC_WORKSPACE": str(workspace), "OMP_NUM_THREADS": "1"}


def document(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return json.loads(done.stdout)


def wait_for(condition: Any, timeout_s: float = 90) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The workspace of a study that ran to its end, and what `run --json` printed. The options override the file."""
    workspace = tmp_path_factory.mktemp("study") / "workspace"
    config = workspace.parent / "study.yaml"
    config.write_text(CONFIG)
    words = ("run", config, "--trials", 2, "--sampler", "random", "--sandbox", "process", "--workers", 2, "--json")
    return workspace, document(neuramosaic(workspace, *words))


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A workspace to be made, whose sessions do not outlive the test."""
    workspace = tmp_path / "scratch"
    yield workspace
    with Store.open(workspace) as store:
        for study in store.studies():
            if is_running(study.id, workspace) and study.pid is not None:
                os.kill(study.pid, signal.SIGKILL)


def test_run_ends_with_best_baseline_and_report(finished: tuple[Path, Any]) -> None:
    workspace, ran = finished
    assert ran["study"] == "recall-1"
    assert ran["state"] == "FINISHED"
    assert ran["trials"] == {"COMPLETE": 3}
    assert ran["baseline"]["source"] == "baseline"
    assert ran["best"]["fidelity_tokens"] == ran["baseline"]["fidelity_tokens"] == 1000
    assert Path(ran["report"]).is_file()
    assert Path(ran["report"]).is_relative_to(workspace)


def test_status_and_trials_agree(finished: tuple[Path, Any]) -> None:
    workspace, ran = finished
    status = document(neuramosaic(workspace, "status", "--json"))
    assert (status["state"], status["running"], status["trials"]) == ("FINISHED", False, ran["trials"])
    trials = document(neuramosaic(workspace, "trials", "recall-1", "--sort", "loss", "--json"))
    best = next(trial for trial in trials if trial["source"] != "baseline")
    assert best == ran["best"]


def test_show_prints_the_code_that_runs(finished: tuple[Path, Any], tmp_path: Path) -> None:
    workspace, ran = finished
    done = neuramosaic(workspace, "show", ran["best"]["trial"], "--code")
    (tmp_path / "model.py").write_text(done.stdout)
    ran_alone = subprocess.run([sys.executable, "model.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"{ran['best']['params']:,}" in ran_alone.stdout


def test_report_is_written_where_asked(finished: tuple[Path, Any], tmp_path: Path) -> None:
    written = document(neuramosaic(finished[0], "report", "recall-1", "--to", tmp_path / "r.html", "--json"))
    assert Path(written["report"]).read_text().count("recall-1") > 0


def test_export_and_refuse_to_overwrite(finished: tuple[Path, Any], tmp_path: Path) -> None:
    workspace, ran = finished
    files = document(neuramosaic(workspace, "export", ran["best"]["trial"], tmp_path / "best", "--json"))["files"]
    assert {Path(file).name for file in files} == {"model.py", "weights.safetensors", "config.json", "README.md"}
    again = neuramosaic(workspace, "export", ran["best"]["trial"], tmp_path / "best")
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")


def test_reproduce_is_exact_on_this_machine(finished: tuple[Path, Any]) -> None:
    workspace, ran = finished
    again = document(neuramosaic(workspace, "reproduce", ran["best"]["trial"], "--json"))
    assert again["matches"]
    assert again["difference"] == 0.0
    assert again["differences"] == []


def test_more_trials(finished: tuple[Path, Any], tmp_path: Path) -> None:
    workspace = Path(shutil.copytree(finished[0], tmp_path / "copy"))
    grown = document(neuramosaic(workspace, "resume", "recall-1", "--trials", 3, "--json"))
    assert grown["trials"] == {"COMPLETE": 4}


def test_a_closed_terminal_stops_nothing(finished: tuple[Path, Any], scratch: Path) -> None:
    workspace = Path(shutil.copytree(finished[0], scratch))
    config = finished[0].parent / "study.yaml"
    words = ("run", config, *LONG, "--sandbox", "process")
    with subprocess.Popen(
        command(words), cwd=scratch.parent, env=environment(workspace), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as watcher:
        wait_for(lambda: is_running("recall-2", workspace))
        watcher.send_signal(signal.SIGHUP)  # what a closing terminal sends
        watcher.communicate()
    assert is_running("recall-2", workspace)
    refused = neuramosaic(workspace, "resume", "recall-2")
    assert refused.returncode == 2
    assert "is running" in refused.stderr
    assert refused.stderr.count("\n") == 1
    wait_for(lambda: document(neuramosaic(workspace, "status", "recall-2", "--json"))["trials"].get("RUNNING"))
    stopped = document(neuramosaic(workspace, "stop", "recall-2", "--json"))
    assert stopped == {"study": "recall-2", "was_running": True, "running": False, "state": "STOPPED"}
    assert document(neuramosaic(workspace, "trials", "recall-2", "--state", "complete", "--json")) == []
    again = document(neuramosaic(workspace, "stop", "recall-2", "--json"))
    assert not again["was_running"]


def test_stop_and_resume_lose_nothing(finished: tuple[Path, Any], scratch: Path) -> None:
    workspace = scratch
    config = finished[0].parent / "study.yaml"
    words = ("run", config, "--trials", 1, "--tokens", "40k", "--sampler", "random", "--sandbox", "process")
    started = document(neuramosaic(workspace, *words, "--workers", 1, "--detach", "--json"))
    with Store.open(workspace) as store:
        wait_for(lambda: store.trials(started["study"], (TrialState.RUNNING,)))
    assert document(neuramosaic(workspace, "stop", "recall-1", "--json"))["state"] == "STOPPED"
    resumed = document(neuramosaic(workspace, "resume", "recall-1", "--json"))
    assert resumed["state"] == "FINISHED"
    trials = document(neuramosaic(workspace, "trials", "recall-1", "--json"))
    assert [(trial["number"], trial["state"]) for trial in trials] == [(0, "COMPLETE"), (1, "COMPLETE")]


def test_ctrl_c_stops_in_good_order_and_says_how_to_go_on(finished: tuple[Path, Any], scratch: Path) -> None:
    workspace = scratch
    words = ("run", finished[0].parent / "study.yaml", *LONG, "--sandbox", "process")
    with subprocess.Popen(
        command(words),
        cwd=scratch.parent,
        env=environment(workspace),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:
        wait_for(lambda: is_running("recall-1", workspace))
        watcher.send_signal(signal.SIGINT)
        _, said = watcher.communicate(timeout=120)
    assert watcher.returncode == 1
    assert "neuramosaic resume recall-1" in said
    assert "Traceback" not in said
    assert not is_running("recall-1", workspace)
    status = document(neuramosaic(workspace, "status", "--json"))
    assert status["state"] == "STOPPED"


def test_a_killed_session_is_said_in_one_line(finished: tuple[Path, Any], scratch: Path) -> None:
    workspace = scratch
    words = ("run", finished[0].parent / "study.yaml", *LONG, "--sandbox", "process")
    with subprocess.Popen(
        command(words),
        cwd=scratch.parent,
        env=environment(workspace),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:
        wait_for(lambda: is_running("recall-1", workspace))
        # The study counts as running from its launch on; its process says its number a little later.
        wait_for(lambda: json.loads(neuramosaic(workspace, "studies", "--json").stdout)[0]["pid"] is not None)
        session = json.loads(neuramosaic(workspace, "studies", "--json").stdout)
        assert session[0]["running"]
        os.kill(session[0]["pid"], signal.SIGKILL)
        _, said = watcher.communicate(timeout=60)
    assert watcher.returncode == 1
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "died" in line
    assert "neuramosaic resume recall-1" in line
