"""llm test and doctor: whether a language model works, and never its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store

KEY = "sk-planted-3f9a1c77e2"


def doctor_finding(cli: Callable[..., Any], workspace: Path) -> dict[str, Any]:
    done = cli("doctor", "--json", "-w", workspace)
    assert KEY not in done.out + done.err
    (finding,) = [check for check in json.loads(done.out)["checks"] if check["name"] == "llm openai"]
    return finding


def test_a_call_that_works(cli: Callable[..., Any], model_server: Any, tmp_path: Path) -> None:
    model_server.behaviours = [model_server.says('{"sum": 5}')]
    done = cli("llm", "test", "--base-url", model_server.url, "--model", "m", "--json", "-w", tmp_path)
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert (report["works"], report["provider"], report["model"]) == (True, "openai", "m")
    assert (report["tokens_in"], report["tokens_out"], report["attempts"]) == (20, 7, 1)
    assert (report["cost_usd"], report["prices"], report["problem"]) == (None, None, "")
    assert report["seconds"] > 0
    with Store.open(tmp_path, create=False) as store:
        (call,) = Ledger(store).calls()
    assert (call.purpose, call.prompt, call.answer) == ("test", "connection_test", '{"sum": 5}')


def test_it_says_that_the_cost_is_not_known(cli: Callable[..., Any], model_server: Any, tmp_path: Path) -> None:
    model_server.behaviours = [model_server.says('{"sum": 5}')]
    done = cli("llm", "test", "--base-url", model_server.url, "-m", "m", "-w", tmp_path)
    assert done.status == 0
    assert done.out.startswith("works openai m: ")
    assert "20 + 7 tokens, cost not known" in done.out


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_call_that_does_not_work(
    form: list[str], cli: Callable[..., Any], model_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model_server.behaviours = [model_server.sends(f'{{"error": {{"message": "wrong key {KEY}"}}}}', 401)]
    done = cli("llm", "test", "--base-url", model_server.url, "-m", "m", "-w", tmp_path, *form)
    assert done.status == 1
    assert done.err.startswith("error: m does not work: the server answers 401: wrong key [key removed]")
    assert done.err.count("\n") == 1
    assert KEY not in done.out
    if form:
        assert json.loads(done.out)["works"] is False


def test_without_a_key_the_one_to_set_is_named(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    done = cli("llm", "test", "-w", tmp_path / "w")
    assert done.status == 2
    assert "OPENAI_API_KEY is not set" in done.err
    assert not (tmp_path / "w").exists()


def test_doctor_says_whether_there_is_a_key(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert doctor_finding(cli, tmp_path)["status"] == "note"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    finding = doctor_finding(cli, tmp_path)
    assert finding["status"] == "ok"
    assert finding["detail"] == "OPENAI_API_KEY is set, OPENAI_BASE_URL is not set"
