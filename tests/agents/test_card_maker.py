"""From a sentence to a card: what the model says, what is made of it, and what happens when it says nonsense."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from agents.card_claims import cost_class, promised, spoken_slots, window
from agents.card_maker import ATTEMPTS, CHOSEN, FREE, UNREAD, CardMaker, MadeCard
from agents.card_reading import read_card
from agents.llm.base import MalformedError, Request
from agents.llm.client import LanguageModel
from agents.llm.scripted import ScriptedProvider
from neuramosaic.components.card import Card
from neuramosaic.components.equations import equations_of
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import CostClass, Slot
from neuramosaic.errors import UsageError

IDEA = "attention whose keys are sharpened by a learned power"
FREE_IDEA = "attention that looks for two things at once"
HEADS = ["q_t = W_q x_t, per head", "k_t = W_k x_t, per head", "v_t = W_v x_t, per head"]
EQUATIONS = [
    *HEADS,
    "p_t = W_p x_t, per head",
    "y_t = W_o sum_(s<=t) softmax_s((q_t . k_s + p_t . k_s) / sqrt(hd)) v_s",
]
START = "y_t = W_o sum_(s<=t) softmax_s(q_t . k_s / sqrt(hd)) v_s"

Make = Callable[..., LanguageModel]


def answers(**changes: Any) -> Callable[[Request], str]:
    """Answer each prompt of a card; `changes` replaces the answer to a prompt, a list answers in order."""
    said: dict[str, Any] = {
        "card_slot": {"slot": "mixer"},
        "card_edit": {"reason": "the words say so", "choice": 1},
        "card_nearest": {"nearest": "attention", "change": "another query"},
        "card_equations": {"equations": EQUATIONS, "name": "double_attention"},
        "card_claims": {"cost": "quadratic", "says": []},
        **changes,
    }

    def answer(request: Request) -> str:
        reply = said[request.prompt]
        if callable(reply):
            reply = reply(request)
        return json.dumps(reply.pop(0) if isinstance(reply, list) else reply)

    return answer


def choose(*phrases: str) -> Callable[[Request], dict[str, Any]]:
    """Answer a choice among edits with the first line that holds the first phrase, the next time with the second."""
    left = list(phrases)

    def answer(request: Request) -> dict[str, Any]:
        phrase = left.pop(0)
        lines = [line for line in request.messages[-1].content.splitlines() if re.match(r"\d+\. ", line)]
        line = next(line for line in lines if phrase in line)
        return {"reason": phrase, "choice": int(line.partition(".")[0])}

    return answer


def made_of(make: Make, text: str = FREE_IDEA, *, slot: str | None = None, **changes: Any) -> MadeCard:
    return CardMaker(make(ScriptedProvider(answers(**changes)))).card(text, catalogue(), slot=slot)


def card_of(make: Make, text: str = FREE_IDEA, *, slot: str | None = None, **changes: Any) -> Card:
    return made_of(make, text, slot=slot, **changes).card


def test_words_that_an_edit_fits_become_its_card(make: Make) -> None:
    provider = ScriptedProvider(answers())
    made = CardMaker(make(provider)).card(IDEA, catalogue())
    card = made.card
    assert (made.way, made.start) == (CHOSEN, "attention")
    assert made.edits == ("the keys are raised to a learned power per channel, sign kept",)
    assert (card.name, card.slot, card.cost) == ("power_keys_attention", Slot.MIXER, CostClass.QUADRATIC)
    assert card.summary == "Attention whose keys are sharpened by a learned power"
    assert "k_t = sign(k1_t) * (abs(k1_t) + 0.01)^g" in card.equations
    assert Card.from_yaml(card.to_yaml()) == card
    assert read_card(card).readable
    (asked,) = provider.requests  # one choice is all that is asked
    assert asked.prompt == "card_edit"
    assert "1. Causal softmax attention with several heads; the keys are raised to a learned power" in (
        asked.messages[-1].content
    )


def test_two_edits_of_one_idea_are_put_together(make: Make) -> None:
    provider = ScriptedProvider(answers(card_edit=choose("brought to length one", "sigmoid gate")))
    text = "attention with normalised queries and a gate on the output"
    made = CardMaker(make(provider)).card(text, catalogue(), slot="mixer")
    assert len(made.edits) == 2
    assert "brought to length one" in made.edits[0]
    assert made.edits[1] == "the output is multiplied by a sigmoid gate of the input"
    assert read_card(made.card).readable
    assert "0. nothing else" in provider.requests[-1].messages[-1].content


def test_one_operation_on_two_quantities_is_two_edits(make: Make) -> None:
    made = made_of(make, "linear attention with unit-length queries and keys", slot="mixer")
    assert sorted(made.edits) == ["the keys are brought to length one", "the queries are brought to length one"]


def test_a_second_edit_that_the_model_does_not_want_is_left_out(make: Make) -> None:
    first, none = {"reason": "it says so", "choice": 1}, {"reason": "said in full", "choice": 0}
    text = "attention with normalised queries and a gate on the output"
    made = made_of(make, text, slot="mixer", card_edit=[first, none])
    assert len(made.edits) == 1


def test_equations_are_written_where_no_edit_is_the_idea(make: Make) -> None:
    provider = ScriptedProvider(answers(card_edit={"reason": "none", "choice": 0}))
    made = CardMaker(make(provider)).card(IDEA, catalogue())
    assert (made.way, made.start, made.problem) == (FREE, "attention", "")
    assert made.card.equations == EQUATIONS
    assert [request.prompt for request in provider.requests] == [
        "card_edit", "card_nearest", "card_equations", "card_claims",
    ]  # fmt: skip


def test_words_that_no_edit_fits_become_equations(make: Make) -> None:
    provider = ScriptedProvider(answers())
    made = CardMaker(make(provider)).card(FREE_IDEA, catalogue())
    card = made.card
    assert (made.way, made.told()) == (FREE, {"way": FREE, "start": "attention"})
    assert (card.name, card.cost) == ("double_attention", CostClass.QUADRATIC)
    assert card.equations == EQUATIONS
    assert [item.name for item in card.hyperparameters] == ["heads"]
    assert not card.claims()
    asked = {request.prompt: request.messages[-1].content for request in provider.requests}
    assert list(asked) == ["card_nearest", "card_equations", "card_claims"]  # the words say which slot
    assert FREE_IDEA in asked["card_nearest"]
    assert "- ssm: Selective state-space model" in asked["card_nearest"]
    assert START in asked["card_equations"]
    assert EQUATIONS[-1] in asked["card_claims"]


def test_the_model_chooses_the_slot_where_the_words_do_not(make: Make) -> None:
    text = "something that sharpens what is there"
    card = card_of(
        make,
        text,
        card_slot={"slot": "norm"},
        card_nearest={"nearest": "dyt", "change": "a power"},
        card_equations={"equations": ["y = w * sign(x) |x|^p"], "name": "power"},
    )
    assert (card.slot, card.name) == (Slot.NORM, "power")


def test_the_slot_that_a_person_names_is_not_asked_for(make: Make) -> None:
    card = card_of(
        make,
        slot="channel",
        card_slot=None,
        card_claims=None,
        card_nearest={"nearest": "mlp", "change": "two"},
        card_equations={"equations": ["y_t = W_o (sin(W_a x_t) * cos(W_b x_t))"], "name": "waves"},
    )
    assert card.slot is Slot.CHANNEL
    assert [item.name for item in card.hyperparameters] == ["expansion"]


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


@pytest.mark.parametrize(
    ("first", "note"),
    [
        ([*HEADS, START], "it computes what attention computes"),
        (["u_t = W_q x_t, per head", "r_t = W_k x_t, per head", "c_t = W_v x_t, per head",
          "y_t = W_o sum_(s<=t) softmax_s(u_t . r_s / sqrt(hd)) c_s"], None),
        (["two things are looked for"], "there was no equation in it"),
        ([*HEADS, "y_t = W_o sharpen(k_t)"], "there is no function sharpen(...)"),
        ([*HEADS, "y_t = W_o (q_t * attention_gate * v_t)"], "nothing says what attention_gate is"),
        ([*HEADS, "y_t = W_o (q_t * c_t * v_t)"], "c at a position, which no equation defines"),
        ([*HEADS, "y_t = W_o (q_t * ("], "is no expression that is known"),
    ],
)  # fmt: skip
def test_equations_that_cannot_be_used_are_asked_for_again(make: Make, first: list[str], note: str | None) -> None:
    said = [{"equations": first, "name": "first"}, {"equations": EQUATIONS, "name": "right"}]
    provider = ScriptedProvider(answers(card_equations=said))
    made = CardMaker(make(provider)).card(FREE_IDEA, catalogue())
    assert (made.card.name, made.card.equations, made.way) == ("right", EQUATIONS, FREE)
    asked = [request.messages[-1].content for request in provider.requests if request.prompt == "card_equations"]
    note = note or "it computes what attention computes"
    assert note not in asked[0]
    assert note in asked[1]


def test_symbols_that_were_there_are_not_explained_again(make: Make) -> None:
    explained = [*EQUATIONS, "q_t: computed from x", "r: learned, one per head"]
    card = card_of(make, card_equations={"equations": explained, "name": "sharp"})
    assert card.equations == [*EQUATIONS, "r: learned, one per head"]


def test_equations_that_nothing_reads_are_kept_with_the_reason(make: Make) -> None:
    unread = [*HEADS, "y_t = W_o sharpen(k_t)"]
    provider = ScriptedProvider(answers(card_equations={"equations": unread, "name": "sharp"}))
    made = CardMaker(make(provider)).card(FREE_IDEA, catalogue())
    assert made.way == UNREAD
    assert made.card.equations == unread
    assert made.told()["problem"].startswith("there is no function sharpen(...)")
    assert sum(request.prompt == "card_equations" for request in provider.requests) == ATTEMPTS


def test_a_model_that_changes_nothing_at_all_leaves_the_words(make: Make) -> None:
    made = made_of(make, card_equations={"equations": [*HEADS, START], "name": "same"})
    assert made.way == UNREAD
    assert made.card.equations[-2:] == [START, f"but: {FREE_IDEA}"]
    assert "it computes what attention computes" in made.problem


@pytest.mark.parametrize("text", ["", "   ", "42 !!"])
def test_no_sentence_is_no_idea(make: Make, text: str) -> None:
    with pytest.raises(UsageError, match="an idea is a sentence"):
        card_of(make, text)


def test_an_essay_is_no_idea(make: Make) -> None:
    with pytest.raises(UsageError, match="at most 2000 characters"):
        card_of(make, "attention " * 300)


def test_a_long_idea_stands_on_the_card_in_full(make: Make) -> None:
    text = "attention " + "that is other than it was " * 20
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
