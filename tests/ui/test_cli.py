"""The command line as a whole: help with an example everywhere, one line per error, pure JSON, quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from neuramosaic.components.spec import Slot
from ui.cli import app, main

ROOT = Path(__file__).parents[2]


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from leaves(child, (*path, name))
        else:
            yield (*path, name), child


COMMANDS = dict(leaves(typer.main.get_command(app)))
WANTED = (
    "run resume stop status studies trials show export reproduce report component-list component-show "
    "component-verify component-add ingest papers-show task-list task-show sandbox-run sandbox-build llm-test doctor"
)


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_all_commands_are_there() -> None:
    assert set(WANTED.split()) <= {"-".join(path) for path in COMMANDS}


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...], cli: Callable[..., Any]) -> None:
    done = cli(*path, "--help")
    assert done.status == 0
    assert f"neuramosaic {' '.join(path)}" in done.out.split("Example", 1)[1]


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_every_command_takes_workspace_and_json(path: tuple[str, ...]) -> None:
    wanted = {"--workspace"} if path == ("ui",) else {"--workspace", "--json"}  # the app prints no result
    assert wanted <= options_of(COMMANDS[path])


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_every_command_and_option_is_documented(path: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    title = f"## neuramosaic {' '.join(path)}\n"
    assert title in text
    section = text.split(title, 1)[1].split("\n## ", 1)[0]
    common = {"--workspace", "-w", "--json", "--help", "-h"}
    missing = [
        option for option in options_of(COMMANDS[path]) - common if option.startswith("--") and option not in section
    ]
    assert not missing


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from ui.cli import main; status = main(['--help']); "
        "print(sorted({'torch', 'botorch', 'langgraph', 'sqlite_utils', 'plotly'} & set(sys.modules)), file=sys.stderr)"
    )
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.strip() == "[]"
    assert time.monotonic() - begin < 5  # seconds; on a busy machine


def test_help_of_slots_names_all_slots(cli: Callable[..., Any]) -> None:
    shown = cli("component", "list", "--help").out
    assert all(slot in shown for slot in Slot)


WRONG_USAGE = {
    "unknown command": (["rnu"], "did you mean"),
    "unknown option": (["run", "--trails", "3"], "--trails"),
    "no number": (["run", "--trials", "many"], "valid integer"),
    "no trials": (["run", "--trials", "0"], "trials"),
    "unknown task": (["run", "--task", "python-cod"], "did you mean 'python-code'"),
    "unknown sandbox": (["run", "--task", "recall", "--sandbox", "dokcer"], "sandbox"),
    "unknown language model": (["run", "--llm", "gpt"], "llm"),
    "bad count": (["run", "--params", "lots"], "300k"),
    "missing config": (["run", "no-such.yaml"], "no-such.yaml"),
    "missing argument": (["show"], "TRIAL"),
    "unknown component": (["component", "show", "atention"], "did you mean 'attention'"),
    "unknown slot": (["component", "list", "--slot", "mixr"], "did you mean 'mixer'"),
    "unknown provider": (["llm", "test", "--provider", "opnai"], "did you mean 'openai'"),
    "no address": (["llm", "test", "--base-url", "localhost"], "base_url"),
    "ambiguous sort": (["trials", "text-1", "--sort", "beauty"], "beauty"),
}


@pytest.mark.parametrize(("words", "named"), WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage_is_one_line_and_status_2(
    words: list[str], named: str, cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURAMOSAIC_WORKSPACE", str(tmp_path / "w"))
    done = cli(*words)
    assert done.status == 2
    assert done.out == ""
    assert_one_line(done.err)
    assert named.lower() in done.err.lower()


def assert_one_line(text: str) -> None:
    assert text.startswith("error: "), text
    assert text.count("\n") == 1, text
    assert "Traceback" not in text


def test_no_command_shows_the_help(cli: Callable[..., Any]) -> None:
    done = cli()
    assert done.status == 2
    assert "neuramosaic doctor" in done.out
    assert done.err == ""


def test_a_bug_is_one_line_with_its_traceback_in_a_file(
    cli: Callable[..., Any], workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("ui.tables.studies_table", lambda rows: rows[1000])
    done = cli("studies", "-w", workspace)
    assert done.status == 1
    assert_one_line(done.err)
    assert "IndexError" in done.err
    (log,) = tmp_path.glob("neuramosaic-*.log")
    assert str(log) in done.err
    assert "Traceback" in log.read_text()


def test_debug_shows_the_traceback(
    cli: Callable[..., Any], workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEURAMOSAIC_DEBUG", "1")
    done = cli("show", "text-1.77", "-w", workspace)
    assert done.status == 1
    assert "Traceback" in done.err
    assert "error: no trial 'text-1.77'" in done.err


def test_a_full_disk_is_one_line(cli: Callable[..., Any], workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "artifacts/x")

    monkeypatch.setattr("graph.export.export_trial", full)
    done = cli("export", "text-1.1", workspace / "out", "-w", workspace)
    assert done.status == 1
    assert_one_line(done.err)
    assert "disk is full (artifacts/x)" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["studies"],
        ["status"],
        ["status", "text-1"],
        ["trials", "text-1"],
        ["trials", "text-1", "--state", "failed"],
        ["show", "text-1.1"],
        ["show", "text-1.1", "--code"],
        ["show", "text-1.5"],
        ["report", "text-1"],
        ["stop", "text-1"],
        ["component", "list"],
        ["component", "show", "attention"],
        ["task", "list"],
        ["task", "show", "recall"],
    ],
    ids=" ".join,
)
def test_json_is_one_document_on_stdout(words: list[str], cli: Callable[..., Any], workspace: Path) -> None:
    done = cli(*words, "--json", "--workspace", workspace)
    assert done.status == 0, done.err
    json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_reader_that_leaves_is_no_error(workspace: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ui.cli", "component", "show", "recurrence", "--code"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=workspace, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_main_returns_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["component", "show", "nonesuch"]) == 2
    assert main(["component", "list", "--slot", "norm"]) == 0
