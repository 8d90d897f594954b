"""component write, through the command line: a loopback server answers, the process sandbox proves."""

import json

import pytest

from agents.llm.base import REMOTE_SLOTS
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from ui.cli import main

#: How many sketches a server is asked for at once.
SAMPLES = REMOTE_SLOTS
CARD = """
name: relu_pair
slot: channel
summary: Two maps and a rectifier between them, times a gate
properties: {receptive_field: 1}
"""
READABLE = """
name: gated_unit
slot: channel
summary: A map and a gate
equations:
  - y_t = W_o (W_v x_t * sigmoid(W_g x_t))
properties: {receptive_field: 1}
"""
WRONG = '{"lines": ["h = linear(shift(x))", "return linear(relu(h))"]}'
RIGHT = '{"lines": ["h = relu(linear(x, 2 * d_model))", "return linear(h) * sigmoid(linear(x))"]}'


@pytest.fixture
def command(model_server, tmp_path, capsys, monkeypatch):
    """Run `component write` on a card; return its status, what it printed and what it said."""
    monkeypatch.setattr("agents.llm.client.FIRST_WAIT_S", 0.001)
    server = ["--base-url", model_server.url, "--model", "m"]

    def run(card, *words, llm="openai"):
        file = tmp_path / "card.yaml"
        file.write_text(card)
        options = ["--llm", llm, *(server if llm == "openai" else []), "--sandbox", "process"]
        capsys.readouterr()
        status = main(["component", "write", str(file), *options, "-w", str(tmp_path / "ws"), *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.mark.slow
def test_a_card_becomes_a_component_that_says_how_it_came_to_be(command, model_server, tmp_path, capsys):
    model_server.behaviours = [model_server.says(WRONG)] * SAMPLES + [model_server.says(RIGHT)]
    status, out, err = command(CARD, "--json")
    assert status == 0, err
    told = json.loads(out)
    assert (told["verified"], told["depth"], told["attempts"], told["tokens"]) == (
        True,
        "sketch",
        2,
        27 * (SAMPLES + 1),
    )
    (failure,) = told["failures"]
    assert f"relu_pair: attempt 1 (sketch) failed {failure['check']}: {failure['message']}" in err
    assert "relu_pair: attempt 2 (sketch) verified" in err
    assert failure["message"] in model_server.requests[SAMPLES]["messages"][-1]["content"]
    workspace = str(tmp_path / "ws")
    assert main(["component", "show", "relu_pair", "--code", "-w", workspace]) == 0
    assert capsys.readouterr().out == (tmp_path / "ws/components/channel/relu_pair.py").read_text()
    assert main(["component", "show", "relu_pair", "-w", workspace]) == 0
    shown = capsys.readouterr().out
    for words in (
        "written by m (sketch) in 2 attempts, 135 tokens",
        f"failed {failure['check']}",
        "receptive_field: 1",
    ):
        assert words in shown

    status, out, err = command(CARD)
    assert (status, len(model_server.requests)) == (0, SAMPLES + 1)
    assert "the workspace has the component of this card" in err
    assert "verified relu_pair: its forward pass, written by the model (2 attempts, 135 tokens" in out
    assert f"  {failure['check']}: {failure['message']}" in out
    assert "components/channel/relu_pair.py" in out


@pytest.mark.slow
def test_equations_are_read_and_nobody_is_asked(command, model_server):
    status, out, err = command(READABLE)
    assert status == 0, err
    assert model_server.requests == []
    assert "verified gated_unit: its equations, read by rule (1 attempts, 0 tokens" in out


@pytest.mark.slow
def test_what_is_not_verified_is_exit_status_1_and_is_remembered(command, model_server):
    model_server.behaviours = [model_server.says('{"lines": ["return frobnicate(x)"]}')]
    status, out, _ = command(CARD, "--attempts", 1)
    assert status == 1
    assert "not verified relu_pair (1 attempts, 27 tokens" in out
    assert "what failed, in order:\n  sketch: `return frobnicate(x)`" in out
    asked = len(model_server.requests)
    status, out, _ = command(CARD, "--attempts", 1)
    assert (status, len(model_server.requests)) == (1, asked)
    assert "known from an earlier try; --again tries anew" in out


@pytest.mark.slow
def test_a_cap_leaves_the_writing_to_be_taken_up(command, model_server, tmp_path):
    model_server.behaviours = [model_server.says(RIGHT)]
    status, _, err = command(CARD, "--max-llm-tokens", 50)
    assert status == 1
    assert "cap of 50 tokens is reached" in err
    assert command(CARD)[0] == 0
    with Store.open(tmp_path / "ws", create=False) as store:
        (writing,) = Writings(store).of_study(None)
        assert (writing.state, writing.source) == (WritingState.VERIFIED, "person")
        outcomes = [call.outcome for call in Ledger(store).calls()]
        assert outcomes == ["budget_spent"] * SAMPLES + ["ok"] * SAMPLES


@pytest.mark.parametrize(
    ("card", "words", "llm", "said"),
    [
        ("name: Wrong Name\nslot: channel\n", (), "openai", "card.yaml"),
        (CARD.replace("channel", "position"), (), "openai", "a position cannot be added yet"),
        (CARD.replace("channel", "residual"), (), "openai", "a residual cannot be added yet"),
        (CARD.replace("relu_pair", "swiglu"), (), "openai", "swiglu"),
        (CARD, (), "replay", "known: local, openai"),
        (CARD, ("--sandbox", "jail"), "openai", "jail"),
        (CARD, ("--gguf", "model.gguf"), "openai", "not gguf"),
        (CARD, ("--attempts", "0"), "openai", "--attempts"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_nothing_is_stored(
    command, model_server, tmp_path, card, words, llm, said
):
    status, out, err = command(card, *words, llm=llm)
    assert (status, out, model_server.requests) == (2, "", [])
    assert said in err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    if (tmp_path / "ws").exists():
        with Store.open(tmp_path / "ws") as store:
            assert Writings(store).of_study(None) == []
