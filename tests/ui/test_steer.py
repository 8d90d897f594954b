"""neuramosaic steer, on a study that does not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_command_is_stored_listed_and_withdrawn(cli: Callable[..., Any], workspace: Path) -> None:
    assert "nothing is in force" in cli("steer", "text-1", "-w", workspace).out
    done = cli("steer", "text-1", "/veto", "moe", "--by", "ada", "-w", workspace)
    assert done.status == 0
    assert "1: /veto channel=moe: propose no channel moe any more; it takes effect with 'neuramosaic resume" in done.out
    shown = json.loads(cli("steer", "text-1", "--json", "-w", workspace).out)
    (command,) = shown["log"]
    assert (command["command"], command["by"], command["outcome"]) == (1, "ada", "waits")
    assert shown["in_force"]["vetoed"] == []
    assert shown["waiting_for_approval"] == []
    assert "1: /veto channel=moe by ada: waits" in cli("steer", "text-1", "-w", workspace).out
    asked = json.loads(cli("steer", "text-1", "--undo", 1, "--by", "bob", "--json", "-w", workspace).out)
    assert [item["effect"] for item in asked["commands"]] == ["withdrawn by bob"]
    status = json.loads(cli("status", "text-1", "--json", "-w", workspace).out)
    assert (status["paused"], status["steering"], status["waiting_for_approval"]) == (False, [], [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/veto mixer=atention"], "did you mean 'attention'"),
        (["/vetoo mixer=attention"], "did you mean 'veto'"),
        (["/pause"], "is not running"),
        (["/idea a mixer that forgets"], "needs a language model"),
        (["/pause", "--undo", "1"], "--undo stands alone"),
        (["--undo", "7"], "no command '7'"),
    ],
)
def test_what_cannot_be_done_is_one_line(words: list[str], said: str, cli: Callable[..., Any], workspace: Path) -> None:
    done = cli("steer", "text-1", *words, "-w", workspace)
    assert done.status in (1, 2)
    assert said in done.err
    assert done.err.count("\n") == 1
    assert json.loads(cli("steer", "text-1", "--json", "-w", workspace).out)["log"] == []
