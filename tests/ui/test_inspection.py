"""What studies, trials, show and status say of a workspace whose content is known."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neuramosaic.store.records import StudyState
from neuramosaic.store.store import Store


def test_trials_json_is_as_promised(cli: Callable[..., Any], workspace: Path) -> None:
    trials = json.loads(cli("trials", "text-1", "--json", "-w", workspace).out)
    assert [trial["trial"] for trial in trials] == [f"text-1.{number}" for number in range(6)]
    promised = "trial study state architecture source components params seed fidelity_tokens metrics reason seconds"
    for trial in trials:
        assert set(promised.split()) <= set(trial)
        assert (trial["metrics"] is not None) == (trial["state"] == "COMPLETE")
    assert trials[0]["source"] == "baseline"
    assert trials[2]["reason"] == "verification: causal: it sees the future"


def test_trials_sorted_by_loss_put_the_best_first(cli: Callable[..., Any], workspace: Path) -> None:
    trials = json.loads(cli("trials", "text-1", "--json", "--sort", "loss", "-w", workspace).out)
    assert [trial["number"] for trial in trials][:3] == [1, 3, 0]


def test_trials_of_a_state(cli: Callable[..., Any], workspace: Path) -> None:
    done = cli("trials", "text-1", "--state", "FAILED", "-w", workspace)
    assert "it sees the future" in done.out
    assert "COMPLETE" not in done.out


def test_the_table_fits_a_narrow_terminal(
    cli: Callable[..., Any], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("trials", "text-1", "-w", workspace)
    assert max(len(line.rstrip()) for line in done.out.splitlines()) <= 80
    assert "2.4000" in done.out
    assert "…" not in done.out


def test_show_draws_the_architecture(cli: Callable[..., Any], workspace: Path) -> None:
    done = cli("show", "text-1.0", "-w", workspace)
    for part in ("attention(rms_norm(x))", "swiglu(rms_norm(x))", "position rope", "2.5000 nats per byte", "contract"):
        assert part in done.out
    assert "400.0 MiB" in done.out


def test_show_code_is_what_git_holds(cli: Callable[..., Any], workspace: Path) -> None:
    assert cli("show", "text-1.0", "--code", "-w", workspace).out == "# model 0\n"


def test_show_json_names_the_vector_and_its_space(cli: Callable[..., Any], workspace: Path) -> None:
    shown = json.loads(cli("show", "text-1.1", "--json", "-w", workspace).out)
    assert shown["space_version"].startswith("sha256:")
    assert all(0 <= value <= 1 for value in shown["vector"])
    assert shown["lineage"] == ["text-1.5"]
    assert shown["curve"][-1]["train_loss"] == 3.25


def test_status_compares_with_the_baseline(cli: Callable[..., Any], workspace: Path) -> None:
    status = json.loads(cli("status", "--json", "-w", workspace).out)
    assert status["study"] == "text-1"
    assert status["trials"] == {"WAITING": 1, "RUNNING": 1, "COMPLETE": 3, "FAILED": 1}
    assert not status["running"]
    assert status["best"]["trial"] == "text-1.1"
    assert status["baseline"]["trial"] == "text-1.0"
    text = cli("status", "-w", workspace).out
    assert "0.1000 below the baseline" in text
    assert "neuramosaic resume text-1" in text


def test_a_dead_study_is_not_called_running(cli: Callable[..., Any], workspace: Path) -> None:
    with Store.open(workspace) as store:
        store.set_study_state("text-1", StudyState.RUNNING, pid=1)
    assert "died" in cli("studies", "-w", workspace).out
    assert json.loads(cli("status", "--json", "-w", workspace).out)["running"] is False


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["trials", "text-2"], "did you mean 'text-1'"),
        (["show", "text-1.99"], "text-1.99"),
        (["status", "nothing"], "nothing"),
        (["resume", "text-9"], "text-9"),
        (["stop", "text-9"], "text-9"),
        (["report", "text-9"], "text-9"),
        (["export", "text-1.99", "out"], "text-1.99"),
        (["reproduce", "text-1.99"], "text-1.99"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_one_line_and_status_1(
    words: list[str], named: str, cli: Callable[..., Any], workspace: Path
) -> None:
    done = cli(*words, "-w", workspace)
    assert done.status == 1
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert named in done.err


def test_a_study_is_not_a_trial(cli: Callable[..., Any], workspace: Path) -> None:
    done = cli("show", "text-1", "-w", workspace)
    assert done.status == 2
    assert "name one of its trials" in done.err


def test_no_workspace(cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("studies", "-w", tmp_path / "nowhere")
    assert done.status == 1
    assert "no workspace" in done.err
    assert not (tmp_path / "nowhere").exists()


def test_a_newer_workspace_is_left_alone(cli: Callable[..., Any], workspace: Path) -> None:
    with sqlite3.connect(workspace / "neuramosaic.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (workspace / "neuramosaic.db").read_bytes()
    done = cli("run", "--task", "recall", "-w", workspace)
    assert done.status == 1
    assert "schema version 99" in done.err
    assert done.err.count("\n") == 1
    assert (workspace / "neuramosaic.db").read_bytes() == before


def test_a_copied_workspace_works(cli: Callable[..., Any], workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace, tmp_path / "copy")
    assert cli("show", "text-1.0", "--code", "-w", tmp_path / "copy").out == "# model 0\n"


def test_trial_that_failed_cannot_be_exported(cli: Callable[..., Any], workspace: Path, tmp_path: Path) -> None:
    done = cli("export", "text-1.2", tmp_path / "out", "-w", workspace)
    assert done.status == 2
    assert "COMPLETE" in done.err
    assert not (tmp_path / "out").exists()
