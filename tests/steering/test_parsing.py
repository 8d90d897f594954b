"""What a person types, and what is said of it."""

import re

import pytest

from neuramosaic.errors import UsageError
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering import Steering, command_from_json, describe, parse_command, undo
from neuramosaic.steering.commands import COMMANDS, KINDS, NEUTRAL, payload_of, slash
from neuramosaic.steering.names import Names

GOOD = {
    "/veto mixer=attention channel=moe": "propose no mixer attention, channel moe any more",
    "/allow channel=moe": "allow channel moe again",
    "/pin mixer=ssm mixer=min_gru": "every new proposal has ssm or min_gru as its mixer",
    "/unpin mixer position": "leave the mixer and the position free again",
    "/favour depth=low": "favour low depth, up to 8 times as likely",
    "/favour mixer=gated_conv weight=3 ssm.expansion=high": "up to 3 times as likely; favour high ssm.expansion",
    "/budget trials=40 hours=1.5 tokens=500000 usd=none": "limit the number of architectures to 40 in all",
    "/more-on-best": "train the best trial",
    "/pause": "pause",
    "/resume": "go on",
    "/stop": "stop",
    "/approval on": "ask a person",
    "/approve c2": "component c2 written",
    "/reject c0 too slow": "c0 written: too slow",
    "/idea attention with a decay": "try an idea: attention with a decay",
    "/ingest 2312.06635": "read 2312.06635",
}
BAD = {
    "/veot mixer=ssm": "unknown command 'veot': did you mean 'veto'?",
    "/veto mixr=ssm": "unknown slot 'mixr': did you mean 'mixer'?",
    "/veto mixer=atention": "unknown mixer 'atention': did you mean 'attention'?",
    "/veto none": "'none' is a position and a modulator: say which, such as position=none",
    "/veto": "write /veto SLOT=NAME",
    "/favour depht=low": "unknown slot or dimension 'depht': did you mean 'depth'?",
    "/favour depth=small": "depth: 'small' is not valid: expected low, high or neutral",
    "/favour depth=low weight=much": "weight: 'much' is not valid",
    "/favour weight=3": "weight=W stands after what it weighs",
    "/budget trails=3": "unknown option 'trails': did you mean 'trials'?",
    "/budget trials=none": "expected a count such as",
    "/budget hours=-1": "hours: -1.0 is not valid: expected greater than 0",
    "/approval": "write /approval on|off",
    "/approve mine": "'mine' names no card",
    "/pause now": "leave 'now' out",
    "/idea": "write /idea TEXT",
    "": "unknown command ''",
}


@pytest.fixture(scope="module")
def names():
    return Names.of(ArchitectureSpace.default(params_budget=30_000))


@pytest.mark.parametrize("text", GOOD)
def test_a_command_is_read_described_and_written_back(text, names):
    command = parse_command(text, names)
    assert GOOD[text] in describe(command)
    assert parse_command(slash(command), names) == command
    assert command_from_json(command.kind, payload_of(command)) == command
    assert COMMANDS.validate_json(command.model_dump_json()) == command


def test_there_is_an_example_of_every_kind():
    assert {parse_command(text).kind for text in GOOD} == set(KINDS)


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_with_the_nearest_name(text, names):
    with pytest.raises(UsageError, match=re.escape(BAD[text])):
        parse_command(text, names)


def test_a_part_is_found_without_its_slot_or_with_a_wrong_one(names):
    assert slash(parse_command("veto moe", names)) == "/veto channel=moe"
    assert slash(parse_command("/veto mixer=moe", names)) == "/veto channel=moe"
    assert slash(parse_command("/favor depth=LOW".lower(), names)) == "/favour depth=low"
    with pytest.raises(UsageError, match="SLOT=NAME"):
        parse_command("/veto moe")


def read(*texts):
    return [(parse_command(text), {}) for text in texts]


def test_what_is_in_force_is_a_fold_over_the_log():
    log = read(
        "/veto mixer=ssm mixer=attention", "/allow mixer=ssm", "/pin norm=dyt", "/pin norm=rms_norm", "/approval on",
        "/favour depth=low", "/favour depth=high weight=2 mixer=ssm", f"/favour mixer={NEUTRAL}", "/pause",
    )  # fmt: skip
    assert Steering.of(log).lines() == [
        "no mixer attention",
        "norm is rms_norm",
        "favour high depth, up to 2 times as likely",
        "new components wait for approval",
    ]
    assert Steering.of([*log, *read("/unpin norm", "/allow mixer=attention")]).lines()[0].startswith("favour")


@pytest.mark.parametrize(
    "text",
    ["/veto mixer=ssm mixer=attention", "/allow channel=moe", "/pin norm=dyt mixer=ssm", "/unpin norm",
     "/favour depth=low mixer=ssm", "/approval on"],
)  # fmt: skip
def test_undone_is_as_before(text):
    log = read("/veto mixer=ssm channel=moe", "/pin norm=rms_norm", "/favour depth=high weight=3")
    before = Steering.of(log)
    (done,) = read(text)
    after = before.then(*done)
    assert after != before
    for inverse in undo(done[0], before):
        after = after.then(inverse)
    assert set(after.lines()) == set(before.lines())
    assert after.pinned == before.pinned


def test_a_budget_is_undone_by_what_it_recorded():
    budget = parse_command("/budget trials=40 usd=3")
    recorded = {"before": {"trials": 16, "max_usd": None}, "after": {"trials": 40, "max_usd": 3.0}}
    assert [slash(each) for each in undo(budget, Steering(), recorded)] == ["/budget trials=16 usd=none"]
    with pytest.raises(UsageError, match="cannot be undone"):
        undo(parse_command("/more-on-best"), Steering())
