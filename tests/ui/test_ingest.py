"""ingest and papers on the command line: files on disk, a loopback server for the model; nothing is proved here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from knowledge.embedding import HashingEmbedder

Cli = Callable[..., Any]
TITLE = "A Gate for Feed-Forward Layers"
SAID = {
    "paper_slot": {"sentence": 1, "part": "channel", "name": "Tanh Gate"},
    "paper_passages": {"passages": [1]},
    "paper_equations": {"equations": [{"passage": 1, "line": "y_t = W_o (tanh(W_a x_t) * (W_b x_t))"}]},
    "paper_relation": {"nearest": 1, "difference": "tanh in the place of silu", "relation": "variant"},
}


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    document = pymupdf.open()
    page = document.new_page()
    lines = [
        (TITLE, 18),
        ("Abstract", 13),
        ("We propose the Tanh Gate, a feed-forward layer with a gate of another kind.", 10),
        ("1 Layer", 13),
        ("The layer computes y_t = W_o (tanh(W_a x_t) * (W_b x_t)) for each position x_t.", 10),
    ]
    for number, (text, size) in enumerate(lines):
        page.insert_text((72, 80 + 40 * number), text, fontsize=size)
    path = tmp_path / "gate.pdf"
    document.save(path)
    document.close()
    return path


@pytest.fixture
def have(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in a workspace of its own, with an embedder that needs no model."""
    for module in ("graph.bookshelf", "knowledge.embedding"):
        monkeypatch.setattr(f"{module}.LocalEmbedder", HashingEmbedder)
    return lambda *words: cli(*words, "-w", tmp_path / "ws")


def test_papers_are_indexed_listed_searched_and_shown(have: Cli, pdf: Path) -> None:
    done = have("ingest", pdf, "--json")
    assert done.status == 0, done.err
    (record,) = json.loads(done.out)
    assert (record["title"], record["pages"], record["status"], record["components"]) == (TITLE, 1, "indexed", [])
    assert record["nearest"]
    paper = record["paper"]

    listed = have("papers")
    assert TITLE in listed.out
    assert [row["paper"] for row in json.loads(have("papers", "--json").out)] == [paper]
    found = json.loads(have("papers", "--search", "a gate of another kind", "--json").out)["passages"]
    own = [item for item in found if item["paper"] == paper]
    assert own[0].keys() >= {"paper", "title", "section", "page", "text", "score"}
    assert (own[0]["page"], own[0]["section"], own[0]["builtin"]) == (1, "Abstract", False)
    shown = have("papers", "--search", "a gate of another kind", "--limit", 2)
    assert f"{paper}, page 1, Abstract" in shown.out
    about = have("papers", "show", paper)
    assert "page   1  1 Layer" in about.out
    assert "no component" in about.out

    again = have("ingest", pdf)
    assert "known" in again.out
    assert "nearest:" in again.out


def test_a_card_is_made_without_writing_and_nothing_is_asked_twice(have: Cli, pdf: Path, model_server: Any) -> None:
    def behave(handler: Any) -> None:
        prompt = model_server.requests[-1]["response_format"]["json_schema"]["name"]
        model_server.says(json.dumps(SAID[prompt]))(handler)

    model_server.behaviours = [behave]
    server = ("--llm", "openai", "--base-url", model_server.url, "--model", "m", "--no-write")
    done = have("ingest", pdf, *server, "--json")
    assert done.status == 0, done.err
    (component,) = json.loads(done.out)[0]["components"]
    assert (component["name"], component["relation"], component["verified"]) == ("tanh_gate", "variant", False)
    asked = len(model_server.requests)
    assert asked >= 3
    again = have("ingest", pdf, *server)
    assert again.status == 0
    assert "channel tanh_gate: variant, not verified" in again.out
    assert len(model_server.requests) == asked
    shown = have("papers", "show", json.loads(done.out)[0]["paper"], "--json")
    assert json.loads(shown.out)["findings"]["card"]["equations"] == ["y_t = W_o (tanh(W_a x_t) * (W_b x_t))"]


def test_a_paper_that_cannot_be_read_is_status_1_and_the_others_are_read(have: Cli, pdf: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_text("no paper at all")
    done = have("ingest", broken, pdf, "--json")
    assert done.status == 1
    assert [record["status"] for record in json.loads(done.out)] == ["failed", "indexed"]
    assert "of 2 papers 1 failed" in done.err
    assert "Traceback" not in done.err


def test_ctrl_c_ends_in_good_order(have: Cli, pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import graph.ingesting as ingesting

    read = ingesting.read_pdf
    calls: list[Path] = []

    def interrupted(path: Path) -> Any:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return read(path)

    other = tmp_path / "other.pdf"
    other.write_bytes(pdf.read_bytes() + b"\n% another\n")
    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "read_pdf", interrupted)
        done = have("ingest", pdf, other, "--json")
    assert done.status == 1
    assert "the same command goes on from there" in done.err
    assert [record["status"] for record in json.loads(done.out)] == ["indexed"]
    done = have("ingest", pdf, other, "--json")
    assert done.status == 0
    assert json.loads(done.out)[0]["status"] == "known"


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("ingest", "x.pdf", "--llm", "locl"), 2, "did you mean 'local'"),
        (("ingest", "x.pdf", "--sandbox", "jail"), 2, "jail"),
        (("ingest", "x.pdf", "--max", "0"), 2, "--max"),
        (("ingest",), 2, "REF"),
        (("ingest", "x.pdf"), 1, "x.pdf: no such file"),
        (("papers", "--search", " "), 2, "--search needs some words"),
        (("papers", "show", "9999.99999"), 1, "9999.99999"),
        (("papers", "--json", "show", "1"), 2, "--json belongs behind the command"),
    ],
)
def test_what_cannot_be_is_one_line(have: Cli, words: tuple[str, ...], status: int, named: str, tmp_path: Path) -> None:
    if status == 1:
        have("papers", "--search", "anything")  # makes the workspace
    done = have(*words)
    assert (done.status, named in done.err) == (status, True), done.err
    assert "Traceback" not in done.err


def test_no_paper_yet_says_how_to_read_one(have: Cli) -> None:
    done = have("papers")
    assert (done.status, "no paper yet" in done.err) == (0, True)
    assert json.loads(have("papers", "--json").out) == []
