"""The whole way with the real model in a real sandbox: a card of its own, which no benchmark and no example holds."""

import json

import pytest

from ui.cli import main

#: It has no equation that could be read by rule, so that the model has to write it.
CARD = """
name: softened_rectifier
slot: channel
summary: A linear map to twice the width, a silu, and a linear map back
hyperparameters:
  - {name: expansion, kind: integer, domain: [1, 3], default: 2}
properties: {receptive_field: 1}
"""


@pytest.mark.slow
@pytest.mark.local_llm
@pytest.mark.bubblewrap
def test_the_local_model_writes_a_component(tmp_path, capsys):
    card = tmp_path / "card.yaml"
    card.write_text(CARD)
    command = ["component", "write", str(card), "--llm", "local", "--sandbox", "bubblewrap", "--json"]
    status = main([*command, "-w", str(tmp_path / "ws")])
    told = json.loads(capsys.readouterr().out)
    assert (status, told["verified"]) == (0, True), told["failures"]
    assert told["depth"] in ("sketch", "code")
    assert told["tokens"] > 0
