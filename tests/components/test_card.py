"""Cards: read strictly, written back, turned into the domains of the space; the schema in docs is theirs."""

import json
import re
from pathlib import Path

import pytest

from neuramosaic.components.card import Card, Properties, card_schema
from neuramosaic.components.spec import CostClass, Slot
from neuramosaic.errors import InvalidValueError, UnknownOptionError, UsageError
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.verify.properties import PROPERTIES

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "cards").glob("*.yaml"))
LEAST = {"name": "a", "slot": "mixer", "summary": "says what it is"}

FULL = """
name: soft_window
slot: mixer
summary: A window with a soft edge
equations: ["y_t = sum_(i < window) w_i v_(t-i)"]
hyperparameters:
  - {name: window, kind: integer, domain: [4, 64], log: true, default: 16}
  - {name: edge, kind: categorical, domain: [hard, soft], default: soft}
  - {name: bias, kind: categorical, domain: [true, false], default: false}
  - {name: slope, kind: float, domain: [0.5, 2], default: 1.0}
cost: log-linear
properties: {position_sensitive: true, decay_of_influence: true}
paper: '2405.21060'
pages: [3, 4]
"""


def test_a_full_card_is_read_and_written_back():
    card = Card.from_yaml(FULL)
    assert (card.slot, card.cost, card.pages) == (Slot.MIXER, CostClass.LOG_LINEAR, [3, 4])
    assert card.domains() == (
        Integer("window", 4, 64, log=True, default=16),
        Categorical("edge", ("hard", "soft"), default="soft"),
        Categorical("bias", (True, False), default=False),
        Float("slope", 0.5, 2.0, default=1.0),
    )
    assert card.claims() == {"position_sensitive": True, "decay_of_influence": True}
    assert Card.from_yaml(card.to_yaml()) == card


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_cards(path):
    card = Card.from_file(path)
    assert card.name == path.stem
    assert Card.from_yaml(card.to_yaml()) == card


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


def test_the_cards_of_the_documentation_are_cards():
    text = (ROOT / "docs" / "cards.md").read_text(encoding="utf-8")
    cards = [Card.from_yaml(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert [str(card.slot) for card in cards] == ["mixer", "channel", "modulator"]
    assert all(card.equations and card.claims() for card in cards)
    for field in (*Card.model_fields, *Properties.model_fields):
        assert f"`{field}" in text, field


def test_the_schema_in_docs_is_current():
    assert json.loads((ROOT / "docs" / "card.schema.json").read_text(encoding="utf-8")) == card_schema()


def test_every_property_has_its_check():
    assert set(Properties.model_fields) == set(PROPERTIES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slt": 1}, "card: unknown option 'slt': did you mean 'slot'?"),
        ({"properties": {"receptive_feild": 3}}, "card.properties: unknown option 'receptive_feild': did you mean"),
        (
            {"hyperparameters": [{"name": "h", "kind": "integer", "domain": [1, 4], "defualt": 2}]},
            "card.hyperparameters.0: unknown option 'defualt': did you mean 'default'?",
        ),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest(change, words):
    with pytest.raises(UnknownOptionError) as error:
        Card.from_mapping({**LEAST, **change})
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Not Snake"}, "card.name"),
        ({"slot": "mixr"}, "card.slot"),
        ({"summary": "two\nlines"}, "card.summary"),
        ({"cost": "cubic"}, "card.cost"),
        ({"paper": 2405.21060}, "card.paper"),
        ({"paper": "a paper", "pages": [1]}, "card.paper"),
        ({"properties": {"receptive_field": 0}}, "card.properties.receptive_field"),
        ({"properties": {"recurrent_form": False}}, "card.properties.recurrent_form"),
        ({"equations": "y = x"}, "card.equations"),
        (
            {"hyperparameters": [{"name": "h", "kind": "intger", "domain": [1, 4], "default": 2}]},
            "card.hyperparameters.0.kind",
        ),
        ({"hyperparameters": [{"name": "h", "kind": "integer", "domain": [1, 4]}]}, "card.hyperparameters.0.default"),
    ],
)
def test_a_bad_value_is_an_error_that_names_its_field(change, field):
    with pytest.raises(InvalidValueError) as error:
        Card.from_mapping({**LEAST, **change})
    assert error.value.field == field


@pytest.mark.parametrize(
    ("hyperparameter", "words"),
    [
        ({"kind": "integer", "domain": [1, 2, 3], "default": 1}, "[least, greatest]"),
        ({"kind": "integer", "domain": [1, 4], "default": 9}, "a whole number from 1 to 4"),
        ({"kind": "float", "domain": [4, 1], "default": 2}, "bad range"),
        ({"kind": "categorical", "domain": ["a"], "default": "b"}, "one of ['a']"),
        ({"kind": "categorical", "domain": ["a"], "default": "a", "log": True}, "only numbers"),
    ],
)
def test_a_bad_domain_is_an_error_that_names_the_hyperparameter(hyperparameter, words):
    with pytest.raises(UsageError) as error:
        Card.from_mapping({**LEAST, "hyperparameters": [{"name": "h", **hyperparameter}]})
    assert str(error.value).startswith("card.hyperparameters.0: ")
    assert words in str(error.value)


def test_what_does_not_fit_together_is_refused():
    twice = [{"name": "h", "kind": "integer", "domain": [1, 4], "default": 2}] * 2
    with pytest.raises(UsageError, match="'h' stands there twice"):
        Card.from_mapping({**LEAST, "hyperparameters": twice})
    with pytest.raises(UsageError, match="pages: they need a paper"):
        Card.from_mapping({**LEAST, "pages": [1]})


def test_a_file_that_is_no_card_is_an_error(tmp_path):
    path = tmp_path / "card.yaml"
    with pytest.raises(UsageError, match="cannot read the card"):
        Card.from_file(path)
    for text, words in (("a: [", "not valid YAML"), ("- a", "found list")):
        path.write_text(text)
        with pytest.raises(UsageError, match=words):
            Card.from_file(path)
