"""The cards of the benchmark of verified code, and the references that show that each can be satisfied."""

import ast
import re
from collections import Counter

import pytest

from agents.component_file import read_component
from benchmarks.verified_code import CARDS, SETS, read_cards
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.errors import UsageError
from neuramosaic.verify.imports import check_imports

REFERENCES = CARDS.parent / "references"
EXAMPLES = CARDS.parents[1] / "examples" / "cards"
FIRST, HELD_OUT, HELD_OUT_2 = (read_cards("*", chosen) for chosen in ("cards", "held_out", "held_out_2"))
ALL = [*FIRST, *HELD_OUT, *HELD_OUT_2]


@pytest.mark.parametrize("graded", ALL, ids=lambda graded: graded.card.name)
def test_a_card_and_its_reference_fit_together(graded):
    card = graded.card
    path = REFERENCES / f"{card.name}.py"
    spec, _ = read_component(path, card)
    check_imports(spec.source)
    assert signature(spec.source, spec.class_name) == [
        "d_model",
        *(["block"] if card.slot is Slot.MODULATOR else []),
        *((item.name, item.default) for item in card.hyperparameters),
    ]


def test_each_card_has_a_reference_and_each_reference_a_card():
    names = [graded.card.name for graded in ALL]
    assert sorted(path.stem for path in REFERENCES.glob("*.py")) == sorted(names)
    assert sorted(path.stem for path in CARDS.rglob("*.yaml")) == sorted(names)  # each named as its file, and once


def test_the_cards_go_over_the_slots_from_easy_to_hard():
    slots = [graded.card.slot for graded in FIRST]
    grades = [graded.grade for graded in FIRST]
    assert len(FIRST) == 20
    assert slots.count(Slot.MIXER) >= 11
    assert slots.count(Slot.CHANNEL) >= 5
    assert slots.count(Slot.MODULATOR) >= 2
    assert min(grades.count(grade) for grade in ("easy", "medium", "hard")) >= 5


def test_the_held_out_cards_go_over_the_slots_from_easy_to_hard():
    assert Counter(graded.card.slot for graded in HELD_OUT) == {
        Slot.MIXER: 6,
        Slot.CHANNEL: 2,
        Slot.MODULATOR: 1,
        Slot.NORM: 1,
    }
    assert Counter(graded.grade for graded in HELD_OUT) == {"easy": 3, "medium": 4, "hard": 3}


def test_the_second_held_out_cards_go_over_the_slots_from_easy_to_hard():
    assert Counter(graded.card.slot for graded in HELD_OUT_2) == {
        Slot.MIXER: 7,
        Slot.CHANNEL: 5,
        Slot.MODULATOR: 2,
        Slot.NORM: 2,
    }
    assert Counter(graded.grade for graded in HELD_OUT_2) == {"easy": 6, "medium": 6, "hard": 4}


def test_no_card_is_known_beforehand():
    """What a prompt may show as an example must not be what is asked for."""
    known = {(spec.slot, spec.name) for spec in catalogue().specs}
    known |= {(card.slot, card.name) for card in map(Card.from_file, EXAMPLES.glob("*.yaml"))}
    assert not known & {(graded.card.slot, graded.card.name) for graded in ALL}


def test_no_reference_is_shown_to_a_model():
    """Nothing of the product reads the benchmark."""
    root = CARDS.parents[1]
    for package in ("agents", "graph", "knowledge", "neuramosaic", "prompts", "sandbox", "ui"):
        for path in (root / package).rglob("*"):
            if path.suffix in (".py", ".md", ".yaml"):
                assert not re.search(r"benchmarks[/.]", path.read_text(encoding="utf-8")), path


def test_cards_are_chosen_by_name():
    assert [graded.card.name for graded in read_cards("ge*")] == ["geglu"]
    with pytest.raises(UsageError, match="no card matches 'nothing'; there are average_attention, "):
        read_cards("nothing")


def test_cards_are_chosen_from_one_set():
    names = [path.name for folder in SETS.values() for path in folder.glob("*.yaml")]
    assert len(set(names)) == len(names)
    assert [graded.card.name for graded in read_cards("s4*", "held_out")] == ["s4d"]
    assert [graded.card.name for graded in read_cards("mish*", "held_out_2")] == ["mish_mlp"]
    with pytest.raises(UsageError, match="no card matches 'geglu'; there are dynamic_conv, "):
        read_cards("geglu", "held_out")


def signature(source: str, name: str) -> list[object]:
    """Return the parameters of a class's `__init__` after self: the name, or name and default."""
    (found,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    (init,) = (node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    names = [argument.arg for argument in init.args.args[1:]]
    defaults = [ast.literal_eval(node) for node in init.args.defaults]
    required = len(names) - len(defaults)
    return [*names[:required], *zip(names[required:], defaults, strict=True)]
