"""Bad input to `run`: one clear line, exit status 1 or 2, nothing lost, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., Any]


@pytest.fixture
def run(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `neuramosaic run` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *words, workspace=tmp_path / "w": cli("run", "--sandbox", "process", "-w", workspace, *words)


def assert_refused(done: Any, status: int, *named: str) -> None:
    assert done.status == status, done.err
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    for part in named:
        assert part in done.err


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [(("--task", "recal"), 2, "did you mean 'recall'"), (("--task", "text:empty.txt"), 1, "empty.txt: is empty")],
    ids=["usage", "failure"],
)
def test_in_a_process_of_its_own(words: tuple[str, ...], status: int, named: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    done = subprocess.run(
        [sys.executable, "-m", "ui.cli", "run", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert_refused(SimpleNamespace(status=done.returncode, out=done.stdout, err=done.stderr), status, named)


def test_unknown_task(run: Run, tmp_path: Path) -> None:
    assert_refused(run("--task", "pyton-code"), 2, "pyton-code", "did you mean 'python-code'")


def test_missing_text_file(run: Run) -> None:
    assert_refused(run("--task", "text:nowhere.txt"), 1, "nowhere.txt", "no such file")


def test_empty_text_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert_refused(run("--task", "text:empty.txt"), 1, "empty.txt", "is empty")


def test_text_that_is_not_utf8(run: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1") * 9000)
    assert_refused(run("--task", "text:latin.txt"), 1, "latin.txt", "UTF-8")


def test_unreadable_text_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert_refused(run("--task", "text:folder"), 1, "folder", "directory")


def test_budget_that_no_model_fits(run: Run) -> None:
    assert_refused(run("--task", "recall", "--params", "10"), 1, "10", "parameters")


def test_misspelt_key_in_a_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("task: recall\ntrails: 3\n")
    assert_refused(run("study.yaml"), 2, "study.yaml", "'trails'", "did you mean 'trials'")


def test_misspelt_key_inside_a_section(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("task: recall\nspace: {mixer: [attention]}\n")
    assert_refused(run("study.yaml"), 2, "'mixer'", "did you mean 'mixers'")


def test_configuration_that_is_no_yaml(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("task: [recall\n")
    assert_refused(run("study.yaml"), 2, "study.yaml", "YAML")


def test_unknown_component_in_the_space(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("task: recall\nspace: {mixers: [atention]}\n")
    assert_refused(run("study.yaml"), 2, "atention", "attention")


def test_unknown_sampler(run: Run) -> None:
    assert_refused(run("--task", "recall", "--sampler", "byaes"), 2, "byaes", "did you mean 'bayes'")


def test_workspace_that_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "w").touch()
    assert_refused(run("--task", "recall"), 1, "workspace")


def test_a_full_disk_loses_nothing(run: Run, full_disk: Path) -> None:
    done = run("--task", "recall", workspace=full_disk / "w")
    assert_refused(done, 1)
    assert "full" in done.err or "No space left" in done.err


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds next to nothing."""
    mount = tmp_path / "disk"
    mount.mkdir()
    options: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], **options)
    if done.returncode != 0:
        pytest.skip(f"cannot make a file system to fill: {done.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], **options)


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        ("--llm opnai", 2, "llm: 'opnai' is not valid: expected 'none', 'local', 'openai' or 'replay'"),
        ("--llm openai", 2, "OPENAI_API_KEY is not set"),
        ("--llm openai --base-url ftp://x", 2, "base_url: 'ftp://x'"),
        ("--llm openai --base-url http://127.0.0.1:9/v1?key=abc", 2, "without a password or anything after a '?'"),
        ("--llm openai --base-url http://127.0.0.1:9/v1 --max-usd 1", 2, "the price of 'gpt-5-mini' is not known"),
        ("--llm openai --gguf x.gguf", 2, "language model 'openai' takes model and url, not gguf"),
        ("--model gpt-5", 2, "llm_model needs a language model: name one with --llm"),
        ("--max-usd 1 --max-llm-tokens 5k", 2, "max_usd, max_llm_tokens need a language model"),
        ("--llm openai --max-llm-tokens many", 2, "max_llm_tokens: 'many'"),
        ("--llm openai --new-components -1", 2, "new_components: -1"),
        ("--llm replay", 2, "a replay needs the name of the study"),
        ("--llm replay --replay recall-7", 1, "no study 'recall-7'"),
    ],
)
def test_options_of_a_language_model_that_make_none(
    run: Run, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, status: int, named: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert_refused(run("--task", "recall", *words.split()), status, named)
    assert cli("studies", "-w", tmp_path / "w", "--json").out in ("[]\n", "")


def test_a_local_model_that_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.llm.local.importlib.util.find_spec", lambda name: None)
    done = run("--task", "recall", "--llm", "local")
    assert_refused(done, 1, "xllamacpp is not installed", "make local-llm")
