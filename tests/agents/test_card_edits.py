"""Well-formed edits of components, and what the rule makes of equations: all is compiled, nothing executed."""

from __future__ import annotations

import numpy as np
import pytest

from agents.card_edits import edits, fitting, menu, sound
from agents.card_maker import edited_card
from agents.card_operations import OPERATIONS
from agents.card_reading import complete, read_card, undefined
from agents.card_starts import near, starts
from agents.writer.examples import built_in_examples
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import Slot

SLOTS = (Slot.MIXER, Slot.CHANNEL, Slot.NORM, Slot.MODULATOR)


def card(*equations: str, slot: str = "mixer", **fields: object) -> Card:
    return Card.from_mapping(
        {"name": "new", "slot": slot, "summary": "Something new", "equations": list(equations), **fields}
    )


@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot_has_starts_that_the_rule_reads(slot: Slot) -> None:
    found = starts(catalogue(), slot)
    assert found
    assert all(start.reading().readable and start.slot is slot for start in found)


def test_a_start_keeps_sizes_and_drops_what_it_does_not_use() -> None:
    found = {start.name: start for slot in SLOTS for start in starts(catalogue(), slot)}
    assert found["mlp"].equations == ["y_t = W_2 gelu(W_1 x_t)"]
    assert [item.name for item in found["mlp"].hyperparameters] == ["expansion"]
    assert [item.name for item in found["attention"].hyperparameters] == ["heads"]
    assert "layer_norm" not in found  # var(...) is no function that a sketch has
    assert "moe" not in found


@pytest.mark.parametrize("slot", SLOTS)
def test_a_menu_holds_sound_edits_of_many_kinds(slot: Slot) -> None:
    choices = [edit for start in starts(catalogue(), slot) for edit in edits(start)]
    shown = menu(choices, 10, np.random.default_rng(0))
    assert len(shown) == 10
    assert len({edit.operation.key for edit in shown}) == 10
    assert not any(edit.operation.idle for edit in shown)
    for edit in shown:
        made = edited_card([edit], catalogue()).card
        reading = read_card(made)
        assert reading.readable, (edit.sentence, reading.problem)
        assert reading.function != edit.start.reading().function
        assert undefined(made) is None
        assert Card.from_yaml(made.to_yaml()) == made
    assert menu(choices, 10, np.random.default_rng(0)) == shown
    assert menu(choices, 10, np.random.default_rng(1)) != shown


def test_every_operation_is_sound_for_something() -> None:
    needed = {operation.key for operation in OPERATIONS} - {"distance"}  # (t - s): the reader may not know it
    for slot in SLOTS:
        for start in starts(catalogue(), slot):
            for edit in edits(start):
                if edit.operation.key in needed and any(sound([edit])):
                    needed.discard(edit.operation.key)
    assert not needed


def test_an_edit_that_changes_nothing_is_not_sound() -> None:
    (gelu,) = [start for start in starts(catalogue(), Slot.CHANNEL) if start.name == "mlp"]
    same = [edit for edit in edits(gelu) if edit.operation.key == "gelu"]
    assert same
    assert not list(sound(same))


def test_edits_that_look_back_do_not_claim_that_they_do_not() -> None:
    for start in starts(catalogue(), Slot.CHANNEL):
        assert not any(edit.operation.in_time for edit in edits(start))
    for start in starts(catalogue(), Slot.MIXER):
        assert all("receptive_field" not in dict(edit.result.properties) for edit in edits(start))


@pytest.mark.parametrize(
    ("idea", "slot", "start", "phrase"),
    [
        ("attention whose keys are sharpened by a learned power", "mixer", "attention", "the keys are raised"),
        ("attention whose values are squared", "mixer", "attention", "the values are squared"),
        ("a perceptron whose hidden units are cubed", "channel", "mlp", "the hidden units are cubed"),
        ("swiglu with a sine in place of the activation", "channel", "swiglu", "the activation is a sine"),
        ("a gated recurrent unit whose update gate never quite closes", "mixer", "min_gru", "is kept above a tenth"),
        ("a delta rule whose queries pass a short convolution", "mixer", "delta_net", "the queries are passed through"),
        ("linear attention whose decay depends on the previous token", "mixer", "gated_linear_attention", "the decay"),
    ],
)
def test_the_words_of_an_idea_find_its_edit(idea: str, slot: str, start: str, phrase: str) -> None:
    begin = near(idea, starts(catalogue(), Slot(slot)))
    first = fitting(idea, [edit for each in begin for edit in edits(each)], 3)[0]
    assert first.start.name == start
    assert phrase in first.phrase


def test_words_of_the_component_itself_are_no_edit() -> None:
    begin = starts(catalogue(), Slot.MIXER)
    found = fitting("a convolution whose output is squared", [edit for each in begin for edit in edits(each)], 20)
    assert found
    assert {edit.operation.key for edit in found} == {"squared"}


def test_names_make_no_difference_to_a_function_and_operations_do() -> None:
    first = read_card(card("u_t = W_a x_t", "y_t = W_o (u_t * sigmoid(W_b x_t))"))
    other = read_card(card("g_t = sigmoid(W_g x_t)", "y_t = W_p (W_q x_t * g_t)"))
    squared = read_card(card("u_t = W_a x_t", "y_t = W_o (u_t^2 * sigmoid(W_b x_t))"))
    assert first.readable
    assert first.function == other.function
    assert first.function != squared.function


def test_a_function_that_nobody_knows_is_not_read_as_a_product() -> None:
    assert read_card(card("y_t = W_o sharpen(W_v x_t)")).problem.startswith("there is no function sharpen(...)")
    assert read_card(card("squash(z) = z / (1 + abs(z))", "y_t = W_o squash(W_v x_t)")).readable


def test_sentences_are_not_read() -> None:
    assert not read_card(card("the keys are sharpened")).readable
    assert not read_card(card()).readable


@pytest.mark.parametrize(
    ("equations", "symbol"),
    [
        (["y_t = W_o (gain * W_v x_t)"], "gain"),
        (["y_t = W_o (c_t * W_v x_t)"], "c_t"),
        (["y_t = W_o (g * W_v x_t)"], None),
        (["y_t = W_o (gain * W_v x_t)", "a learned scale gain per channel starting at 1"], None),
        (["y_t = W_o (gain * W_v x_t)", "gain: learned, one per channel"], None),
    ],
)
def test_symbols_that_vary_or_have_names_need_a_definition(equations: list[str], symbol: str | None) -> None:
    assert undefined(card(*equations)) == symbol


def test_the_worked_examples_define_their_symbols() -> None:
    examples = [example.card for example in built_in_examples() if read_card(example.card).readable]
    assert len(examples) > 5
    assert {undefined(each) for each in examples} == {None}


def test_hyperparameters_that_nothing_uses_are_left_out() -> None:
    sizes = {"name": "expansion", "kind": "integer", "domain": [1, 4], "default": 2}
    other = {"name": "heads", "kind": "integer", "domain": [1, 4], "default": 2}
    filled, reading = complete(card("y_t = W_o (W_a x_t)^3", slot="channel", hyperparameters=[sizes, other]))
    assert reading.readable
    assert "expansion * d_model" in reading.function
    assert [item.name for item in filled.hyperparameters] == ["expansion"]
