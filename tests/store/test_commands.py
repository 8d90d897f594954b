"""The log of what was asked of a study."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from neuramosaic.errors import NotFoundError
from neuramosaic.steering import parse_command
from neuramosaic.store.commands import CommandOutcome, Commands, in_force
from neuramosaic.store.store import FILE_NAME, Store

ASSETS = Path(__file__).parents[1] / "assets"


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path) as made:
        made.create_study("recall", {"trials": 3}, {}, "sha256:0")
        yield made


def test_a_command_waits_takes_effect_once_and_is_kept(store: Store) -> None:
    commands = Commands(store)
    veto = commands.push("recall-1", parse_command("/veto mixer=ssm"), by="ada")
    commands.push("recall-1", parse_command("/budget trials=5"), by="bob")
    assert [record.by for record in commands.pending("recall-1")] == ["ada", "bob"]
    assert in_force(commands.log("recall-1")).lines() == []
    done = commands.finish(veto, CommandOutcome.APPLIED, "as said", {"a": 1})
    assert (done.outcome, done.effect, done.recorded, done.after) == (CommandOutcome.APPLIED, "as said", {"a": 1}, 0)
    again = commands.finish(veto, CommandOutcome.REFUSED, "too late")
    assert again == done
    assert in_force(commands.log("recall-1")).lines() == ["no mixer ssm"]
    (budget,) = commands.pending("recall-1")
    commands.finish(budget, CommandOutcome.APPLIED, "", config={"trials": 5})
    assert store.study("recall-1").config == {"trials": 5}
    assert [item["outcome"] for item in map(lambda r: r.to_json(), commands.log("recall-1"))] == ["applied"] * 2


def test_what_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(NotFoundError, match="study 'recall-9'"):
        Commands(store).push("recall-9", parse_command("/stop"))
    with pytest.raises(NotFoundError, match="command '7'"):
        Commands(store).get("recall-1", 7)


def test_the_commands_of_an_older_workspace_are_read(tmp_path: Path) -> None:
    shutil.copy(ASSETS / "schema-1.db", tmp_path / FILE_NAME)
    with Store.open(tmp_path, create=False) as store:
        (study,) = store.studies()
        (record,) = Commands(store).log(study.id)
        assert (record.command.kind, record.pending, record.by) == ("stop", True, "")
