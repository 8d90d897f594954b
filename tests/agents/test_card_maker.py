"""From a sentence to a card: what the model says, what is made of it, and what happens when it says nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.card_claims import cost_class, promised, spoken_slots, window
from agents.card_maker import ATTEMPTS, CardMaker
from agents.llm.base import MalformedError, Request
from agents.llm.client import LanguageModel
from agents.llm.scripted import ScriptedProvider
from neuramosaic.components.card import Card
from neuramosaic.components.equations import equations_of
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import CostClass, Slot
from neuramosaic.errors import UsageError

IDEA = "attention whose keys are sharpened by a learned power"
EQUATIONS = ["y_i = sum_{j <= i} softmax_j(q_i . s(k_j) / sqrt(d)) v_j", "s(k) = sign(k) |k|^p, p learned"]

Make = Callable[..., LanguageModel]


def answers(**changes: Any) -> Callable[[Request], str]:
    """Answer each prompt of a card; `changes` replaces the answer to a prompt, a list answers in order."""
    said: dict[str, Any] = {
        "card_slot": {"slot": "mixer"},
        "card_nearest": {"nearest": "attention", "change": "raise the keys to a power"},
        "card_equations": {"equations": EQUATIONS, "name": "sharp_attention"},
        "card_claims": {"cost": "quadratic", "says": []},
        **changes,
    }

    def answer(request: Request) -> str:
        reply = said[request.prompt]
        return json.dumps(reply.pop(0) if isinstance(reply, list) else reply)

    return answer


def card_of(make: Make, text: str = IDEA, *, slot: str | None = None, **changes: Any) -> Card:
    return CardMaker(make(ScriptedProvider(answers(**changes)))).card(text, catalogue(), slot=slot)


def test_a_sentence_becomes_a_card(make: Make) -> None:
    provider = ScriptedProvider(answers())
    card = CardMaker(make(provider)).card(IDEA, catalogue())
    assert (card.name, card.slot, card.cost) == ("sharp_attention", Slot.MIXER, CostClass.QUADRATIC)
    assert card.summary == "Attention whose keys are sharpened by a learned power"
    assert card.equations == EQUATIONS
    assert [item.name for item in card.hyperparameters] == ["heads", "kv_heads"]
    assert not card.claims()
    assert Card.from_yaml(card.to_yaml()) == card
    asked = {request.prompt: request.messages[-1].content for request in provider.requests}
    assert list(asked) == ["card_nearest", "card_equations", "card_claims"]  # the words say which slot
    assert IDEA in asked["card_nearest"]
    assert "- min_gru: Gated recurrent unit that is scanned in parallel" in asked["card_nearest"]
    assert "softmax_j(q_i . k_j / sqrt(d) + bias_ij) v_j" in asked["card_equations"]
    assert EQUATIONS[1] in asked["card_claims"]


def test_the_model_chooses_the_slot_where_the_words_do_not(make: Make) -> None:
    text = "something that sharpens what is there by a learned power"
    card = card_of(
        make,
        text,
        card_slot={"slot": "norm"},
        card_nearest={"nearest": "dyt", "change": "a power"},
        card_equations={"equations": ["y = w * sign(x) |x|^p"], "name": "power"},
    )
    assert (card.slot, card.name) == (Slot.NORM, "power")


def test_the_slot_that_a_person_names_is_not_asked_for(make: Make) -> None:
    said = {"card_slot": None, "card_nearest": {"nearest": "kwta", "change": "a power"}}
    card = card_of(make, slot="channel", card_claims=None, **said)
    assert card.slot is Slot.CHANNEL
    assert [item.name for item in card.hyperparameters] == ["expansion", "fraction"]


@pytest.mark.parametrize("slot", ["residual", "position", "mixxer"])
def test_a_slot_that_nothing_can_be_written_for_is_refused(make: Make, slot: str) -> None:
    with pytest.raises(UsageError, match=f"no component can be written for slot '{slot}': choose from mixer, channel"):
        card_of(make, slot=slot)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("attention", "attention_2"),
        ("SharpKeyAttention", "sharp_key_attention"),
        ("sharp-keys v2", "sharp_keys_v"),
        ("mixer", "new_mixer"),
        ("lambda", "new_lambda"),
        ("42", "new_mixer"),
        ("Schärfe", "sch_rfe"),
    ],
)
def test_a_name_is_made_plain_and_free(make: Make, said: str, name: str) -> None:
    assert card_of(make, card_equations={"equations": EQUATIONS, "name": said}).name == name


START = "y_i = sum_{j <= i} softmax_j(q_i . k_j / sqrt(d) + bias_ij) v_j"


@pytest.mark.parametrize(
    ("first", "note"),
    [
        (
            [f"{START} .", "k_j: the learned keys", "p: a learned power"],
            "were those of attention, unchanged: edit them",
        ),
        (["the keys are sharpened"], "there was no equation in it"),
        ([START, "bias_ij = learned"], "it left every equation of attention as it was"),
    ],
)
def test_equations_that_did_not_change_are_asked_for_again(make: Make, first: list[str], note: str) -> None:
    said = [{"equations": first, "name": "first"}, {"equations": EQUATIONS, "name": "right"}]
    provider = ScriptedProvider(answers(card_equations=said))
    card = CardMaker(make(provider)).card(IDEA, catalogue())
    assert (card.name, card.equations) == ("right", EQUATIONS)
    asked = [request.messages[-1].content for request in provider.requests if request.prompt == "card_equations"]
    assert note not in asked[0]
    assert note in asked[1]


def test_symbols_that_were_there_are_not_explained_again(make: Make) -> None:
    explained = [*EQUATIONS, "q_i: computed from x", "p: learned, one per head"]
    card = card_of(make, card_equations={"equations": explained, "name": "sharp"})
    assert card.equations == [*EQUATIONS, "p: learned, one per head"]


def test_a_model_that_cannot_edit_names_what_takes_the_place_of_a_symbol(make: Make) -> None:
    replacement = {"symbol": "k_j", "becomes": "sign(k_j) |k_j|^p", "where": ["p: learned", "q_i: the queries"]}
    card = card_of(make, card_equations={"equations": [START], "name": "same"}, card_replacement=replacement)
    assert card.equations == [START.replace("k_j", "(sign(k_j) |k_j|^p)"), "p: learned"]


def test_a_symbol_is_replaced_where_it_is_used_and_not_where_it_is_defined(make: Make) -> None:
    start = equations_of(catalogue().get("mixer", "min_gru"))
    card = card_of(
        make,
        card_nearest={"nearest": "min_gru", "change": "the gate stays open"},
        card_equations={"equations": start, "name": "same"},
        card_replacement={"symbol": "z_t", "becomes": "max(z_t, 0.1)", "where": []},
    )
    assert card.equations[0] == "h_t = (1 - (max(z_t, 0.1))) * h_(t-1) + (max(z_t, 0.1)) * g(c_t)"
    assert card.equations[1] == "z_t = sigmoid(W_z x_t)"


def test_a_model_that_changes_nothing_at_all_leaves_the_words(make: Make) -> None:
    unchanged = {"symbol": "k_j", "becomes": "k_j", "where": []}
    provider = ScriptedProvider(
        answers(card_equations={"equations": [START], "name": "same"}, card_replacement=unchanged)
    )
    card = CardMaker(make(provider)).card(IDEA, catalogue())
    assert card.equations == [START, f"but: {IDEA}"]
    assert sum(request.prompt == "card_equations" for request in provider.requests) == ATTEMPTS
    (asked,) = [request.messages[-1].content for request in provider.requests if request.prompt == "card_replacement"]
    assert "Symbols: bias_ij, d, k_j, q_i, v_j" in asked


@pytest.mark.parametrize("text", ["", "   ", "42 !!"])
def test_no_sentence_is_no_idea(make: Make, text: str) -> None:
    with pytest.raises(UsageError, match="an idea is a sentence"):
        card_of(make, text)


def test_an_essay_is_no_idea(make: Make) -> None:
    with pytest.raises(UsageError, match="at most 2000 characters"):
        card_of(make, "attention " * 300)


def test_a_long_idea_stands_on_the_card_in_full(make: Make) -> None:
    text = "attention " + "that is sharper than it was " * 20
    card = card_of(make, text)
    assert len(card.summary) <= 200
    assert card.equations[-1] == f"in words: {text.strip()}"


def test_nonsense_is_an_error_of_the_model(make: Make) -> None:
    with pytest.raises(MalformedError):
        CardMaker(make(ScriptedProvider(["nonsense"] * 4))).card(IDEA, catalogue())


def test_the_same_words_are_asked_with_the_same_request(make: Make) -> None:
    first, second = ScriptedProvider(answers()), ScriptedProvider(answers())
    for provider in (first, second):
        CardMaker(make(provider, study=None)).card(IDEA, catalogue())
    assert [request.id for request in first.requests] == [request.id for request in second.requests]


@pytest.mark.parametrize(
    ("idea", "says", "claims"),
    [
        ("looks at the last 8 tokens only", ["window"], {"receptive_field": 8}),
        ("looks at the last eight tokens only", ["window"], {"receptive_field": 8}),
        ("a window of 32", ["window"], {"receptive_field": 32}),
        ("looks at the last tokens only", ["window"], {}),
        ("looks at the last 8 tokens only", [], {}),
        ("looks at the last 4000 tokens", ["window"], {}),
        ("keeps a running sum that decays", ["state", "fades"], {"recurrent_form": True, "decay_of_influence": True}),
        ("keeps a running sum", ["fades"], {}),
        ("sharp attention", ["state", "fades", "order"], {}),
        ("attention with a memory", ["state"], {}),
        ("forgets with a learned decay", ["fades"], {}),
        ("the mean of the past, whatever its order", ["no_order"], {"position_sensitive": False}),
        ("a shift in order to see", ["order"], {"position_sensitive": True}),
        ("works in order to see", ["order"], {}),
    ],
)
def test_a_mixer_claims_what_the_model_and_the_words_say(idea: str, says: list[str], claims: dict[str, Any]) -> None:
    assert promised(idea, Slot.MIXER, says) == claims


def test_a_channel_acts_on_each_position_unless_the_words_speak_of_time() -> None:
    assert promised("a perceptron with a sine", Slot.CHANNEL) == {"receptive_field": 1}
    assert promised("a perceptron that sees the previous token", Slot.CHANNEL) == {}


@pytest.mark.parametrize(
    ("said", "nearest", "idea", "cost"),
    [
        ("linear", "quadratic", "sharper attention", "quadratic"),
        ("linear", "quadratic", "attention in linear time", "linear"),
        ("linear", "quadratic", "attention through a linear map", "quadratic"),
        ("quadratic", "linear", "everything looks at everything", "quadratic"),
        ("quadratic", "linear", "a leaky average of everything before", "linear"),
        ("quadratic", "quadratic", "the maximum of the last 8 tokens", "linear"),
    ],
)
def test_a_cost_below_the_nearest_needs_words(said: str, nearest: str, idea: str, cost: str) -> None:
    assert cost_class(CostClass(said), CostClass(nearest), idea) == cost


@pytest.mark.parametrize(
    ("idea", "slots"),
    [
        (IDEA, {Slot.MIXER}),
        ("delta rule memory that writes twice", {Slot.MIXER}),
        ("a feed-forward layer of rivals", {Slot.CHANNEL}),
        ("normalise by the median", {Slot.NORM}),
        ("normalise the queries", {Slot.NORM, Slot.MIXER}),
        ("something new", set()),
    ],
)
def test_words_speak_of_slots(idea: str, slots: set[Slot]) -> None:
    assert spoken_slots(idea) == slots


def test_a_window_is_a_number_of_positions() -> None:
    assert window("the last sixteen positions") == 16
    assert window("a 5-tap filter") == 5
    assert window("the last of them") is None


def test_every_component_has_equations_or_says_so_in_its_summary() -> None:
    known = catalogue()
    assert equations_of(known.get("channel", "kwta")) == ["h = W_1 x, y = W_2 (h * [h_i is among the k largest of h])"]
    for slot in (Slot.MIXER, Slot.CHANNEL, Slot.NORM):
        assert all(equations_of(spec) for spec in known.slot(slot)), slot
