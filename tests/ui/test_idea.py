"""idea and component try: a real HTTP server answers, a writer knows its code beforehand, the training is real."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import graph.idea
from agents.component_file import read_component
from agents.curator import keep, prove
from agents.writer.result import Failure, Written
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Provenance
from neuramosaic.store.records import WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings

IDEA = "a perceptron whose hidden units are cubed"
SAID = {
    "card_edit": {"reason": "something else is meant", "choice": 0},
    "card_nearest": {"nearest": "squared_relu", "change": "cube instead of square"},
    "card_equations": {"equations": ["y = W_2 (W_1 x)^3"], "name": "cube"},
}
SOURCE = '''"""Perceptron with a cube.

    y = W_2 (W_1 x)^3
"""

from torch import Tensor, nn


class Cube(nn.Module):
    """Position-wise perceptron whose hidden units are cubed."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.up = nn.Linear(d_model, expansion * d_model, bias=False)
        self.down = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        return self.down(self.up(x) ** 3)
'''
TINY = ("--task", "recall", "--params", "20k", "--tokens", "2k", "--seeds", 2, "--sandbox", "process", "--workers", 1)

Cli = Callable[..., Any]


class Writer:
    """A writer of the real one's shape that knows its code beforehand, or fails."""

    written: ClassVar[list[tuple[str, bool]]]
    source: str | None = SOURCE

    def __init__(self, model: Any, bench: Any, store: Store, workspace: Path, on_progress: Any, limits: Any) -> None:
        self._bench, self._store, self._workspace, self._say = bench, store, workspace, on_progress

    def write(self, writing: Any, known: Any, *, again: bool = False) -> Written:
        self.written.append((writing.id, again))
        self._say("attempt 1")
        if self.source is None:
            failed = {"check": "causal", "message": "it sees the future"}
            Writings(self._store).finish(replace(writing, state=WritingState.FAILED, attempts=1, failures=(failed,)))
            return Written(writing.name, False, 1, 100, 1.0, (Failure(**failed),), writing=writing.id)
        file = self._workspace / f"{writing.name}.py"
        file.write_text(self.source)
        card = Card.from_yaml(writing.card)
        spec, card = read_component(file, card)
        proof = prove(spec, card, self._bench, known)
        assert proof.passed, proof.verdict.checks
        origin = Provenance.DESIGNED
        record = keep(
            spec, card, proof, self._store, self._workspace, origin="test", provenance=origin, writing=writing.id
        )
        done = {"state": WritingState.VERIFIED, "version": record.version, "attempts": 1, "depth": "sketch"}
        Writings(self._store).finish(replace(writing, **done))
        return Written(writing.name, True, 1, 100, 1.0, (), "sketch", record, file, writing.id)


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> type[Writer]:
    made = type("Known", (Writer,), {"written": []})
    monkeypatch.setattr(graph.idea, "component_writer", made)
    return made


@pytest.fixture
def failing(writer: type[Writer], monkeypatch: pytest.MonkeyPatch) -> type[Writer]:
    writer.source = None
    monkeypatch.setattr(graph.idea, "Bench", lambda backend: nullcontext())
    return writer


@pytest.fixture
def have(cli: Cli, model_server: Any, tmp_path: Path) -> Cli:
    """Run `neuramosaic idea` with the loopback server as its model."""

    def behave(handler: Any) -> None:
        prompt = model_server.requests[-1]["response_format"]["json_schema"]["name"]
        model_server.says(json.dumps(SAID[prompt]))(handler)

    model_server.behaviours = [behave]
    options = ("--llm", "openai", "--base-url", model_server.url, "--model", "m", "-w", tmp_path / "ws")
    return lambda text, *words: cli("idea", text, *options, *words)


@pytest.mark.slow
def test_a_sentence_becomes_an_answer_that_is_found_again(
    have: Cli, cli: Cli, writer: type[Writer], model_server: Any, tmp_path: Path
) -> None:
    done = have(IDEA, *TINY, "--json")
    assert done.status == 0, done.err
    answer = json.loads(done.out)
    assert answer["card"]["name"] == "cube"
    assert answer["verified"] is True
    assert (answer["component"]["slot"], answer["component"]["name"]) == ("channel", "cube")
    assert answer["component"]["file"].endswith("cube.py")
    assert answer["writing"]["attempts"] == 1
    assert (answer["study"], answer["unit"]) == ("recall-1", "nats per recalled value")
    assert [pair["seed"] for pair in answer["per_seed"]] == [0, 1]
    low, high = answer["interval"]
    assert low <= answer["difference"] <= high
    assert answer["difference"] == pytest.approx(sum(pair["difference"] for pair in answer["per_seed"]) / 2)
    assert "2 seeds, same parameters (within " in answer["sentence"]
    with Store.open(tmp_path / "ws", create=False) as store:
        (writing,) = Writings(store).of_study(None)
        assert (writing.source, writing.proposal["idea"]) == ("idea", IDEA)
        assert store.studies()[0].components[0]["version"] == answer["component"]["version"]
    asked = len(model_server.requests)

    again = have(f"  {IDEA.replace(' ', '  ')} ", *TINY)
    assert again.status == 0, again.err
    assert len(model_server.requests) == asked
    assert len(writer.written) == 1
    assert "study recall-1 has compared them already" in again.err
    assert answer["sentence"] in again.out
    assert "name: cube" in again.out
    assert re.search(r"seed +cube +baseline +difference", again.out)
    assert "1 degree of freedom" in again.out

    tried = cli("component", "try", "cube", *TINY, "--json", "-w", tmp_path / "ws")
    assert tried.status == 0, tried.err
    assert json.loads(tried.out)["study"] == "recall-1"
    assert json.loads(tried.out)["interval"] == answer["interval"]


def test_what_cannot_be_verified_is_said_and_its_card_is_kept(
    have: Cli, failing: type[Writer], model_server: Any
) -> None:
    done = have(IDEA, *TINY, "--json")
    assert done.status == 1
    answer = json.loads(done.out)
    assert (answer["verified"], answer["component"], answer["study"], answer["per_seed"]) == (False, None, None, [])
    assert answer["sentence"] == "cube could not be verified in 1 attempts: causal: it sees the future"
    assert answer["writing"]["failures"] == [{"check": "causal", "message": "it sees the future"}]
    asked = len(model_server.requests)

    second = have(IDEA, *TINY)
    assert second.status == 1
    assert len(model_server.requests) == asked  # the card is the same
    assert "not verified cube; what failed:\n  causal: it sees the future" in second.out
    assert "error: cube could not be verified" in second.err
    assert have(IDEA, *TINY, "--again").status == 1
    assert len(model_server.requests) == 2 * asked
    assert failing.written == [("c0", False), ("c1", False), ("c2", True)]


def test_a_crashed_writing_is_taken_up_again(have: Cli, failing: type[Writer], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(failing, "write", lambda *_, **__: (_ for _ in ()).throw(OSError("the machine is gone")))
        assert have(IDEA, *TINY).status == 1
    assert have(IDEA, *TINY).status == 1
    assert failing.written == [("c0", False)]


def test_a_cap_is_kept_before_anything_is_sent(have: Cli, writer: type[Writer], model_server: Any) -> None:
    done = have(IDEA, *TINY, "--max-llm-tokens", "50")
    assert done.status == 1
    assert "cap of 50 tokens is reached" in done.err
    assert (model_server.requests, writer.written) == ([], [])


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("--task", "recal"), 2, "did you mean 'recall'"),
        (("--params", "12"), 1, "12 parameters"),
        (("--slot", "residual"), 2, "no component can be written for slot 'residual'"),
        (("--sandbox", "jail"), 2, "sandbox"),
        (("--gguf", "model.gguf"), 2, "not gguf"),
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(
    have: Cli, model_server: Any, words: tuple[str, ...], status: int, named: str
) -> None:
    options = ["--task", "recall", "--params", "20k", *words]
    done = have(IDEA, *options)
    assert done.status == status, done.err
    assert named in done.err
    assert "Traceback" not in done.err
    assert model_server.requests == []


def test_no_sentence_is_wrong_usage(have: Cli) -> None:
    done = have("42", *TINY)
    assert (done.status, "an idea is a sentence" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("attention",), "mixer 'attention' is what the baseline has"),
        (("min_gr",), "did you mean 'min_gru'"),
        (("none", "--slot", "mixer"), "none"),
        (("min_gru", "--seeds", "1"), "--seeds"),
    ],
)
def test_what_cannot_be_tried_is_wrong_usage(cli: Cli, tmp_path: Path, words: tuple[str, ...], named: str) -> None:
    done = cli("component", "try", *words, "--task", "recall", "--params", "20k", "-w", tmp_path)
    assert done.status == 2, done.err
    assert named in done.err
