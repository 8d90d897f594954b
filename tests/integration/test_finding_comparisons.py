"""Which study a comparison takes up again: the same conditions and the same version of the component, nothing less."""

from dataclasses import replace

import pytest

from graph.comparing import comparison_study
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import WIDTHS, find_rule, settings_to_count
from neuramosaic.errors import UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE
from neuramosaic.store.records import ComponentRecord
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig


def compared(tiny, name="min_gru", slot="mixer", seeds=(0, 1), **changes):
    given = tiny.model_dump(mode="json", exclude={"trials", "rungs", "comparison"}) | changes
    comparison = {"component": {"slot": slot, "name": name}, "seeds": seeds}
    return StudyConfig.from_mapping({**given, "comparison": comparison})


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "ws") as opened:
        yield opened


def test_the_same_conditions_find_the_same_study(store, tiny, tmp_path):
    def study(config, again=False):
        return comparison_study(store, config, tmp_path / "ws", component=None, again=again).id

    first = study(compared(tiny))
    assert study(compared(tiny)) == first
    assert study(compared(tiny, workers=2, sandbox="auto")) == first  # not a condition of the result
    others = {
        study(compared(tiny, seeds=(0, 1, 2))),
        study(compared(tiny, tokens=4_096)),
        study(compared(tiny, name="ssm")),
        study(compared(tiny), again=True),
    }
    assert len(others) == 4
    assert first not in others


def test_another_version_of_a_component_is_another_study(store, tiny, tmp_path):
    workspace = tmp_path / "ws"
    spec = catalogue().get("channel", "mlp")
    card = Card.from_mapping({"name": "own", "slot": "channel", "summary": "A perceptron of one's own"})
    settings = settings_to_count(())
    commit = CodeRepository(workspace / "code").commit(
        "channel/own/1", {SOURCE: spec.source, CARD: card.to_yaml()}, "own", namespace="components"
    )
    record = ComponentRecord(
        slot="channel",
        name="own",
        version="1" * 12,
        class_name=spec.class_name,
        uses_position=False,
        rule=find_rule((), settings, [[8 * width**2 for width in WIDTHS] for _ in settings]).to_json(),
        checks=(),
        commit=commit,
        origin="own.py",
    )
    old = store.add_component(record)
    config = compared(tiny, "own", "channel")
    first = comparison_study(store, config, workspace, component=old).id
    new = store.add_component(replace(record, version="2" * 12))
    second = comparison_study(store, config, workspace, component=new).id
    assert second != first
    assert comparison_study(store, config, workspace, component=old).id == first
    with pytest.raises(UsageError, match="compare that with 'component try own'"):
        comparison_study(store, config, workspace, component=old, again=True)
