"""The card maker: turns a person's sentence into a card, with questions that a small model can answer.

The model is asked for little at a time: a choice from a list, or a few lines that start from those of the nearest
component. What it may get wrong without anybody noticing (a name that is taken, a cost that is too good, a property
that the words do not promise) is decided here.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from agents.card_claims import cost_class, promised, spoken_slots, window
from agents.llm.client import LanguageModel
from neuramosaic.components.card import Card
from neuramosaic.components.equations import equations_of
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, CostClass, Slot
from neuramosaic.errors import InvalidValueError, UsageError
from neuramosaic.space.domains import Categorical, Integer, Parameter
from neuramosaic.verify.ladder import HARNESS_SLOTS

A = TypeVar("A", bound=BaseModel)

#: Longest idea, in characters.
LONGEST_IDEA = 2000
#: How often the equations are asked for.
ATTEMPTS = 2
#: The most hyper-parameters that a new component takes over.
MOST_SETTINGS = 2
_LONGEST_NAME = 40
#: A line that says what a symbol is, such as "p: learned, one per head".
_EXPLAINS = re.compile(r"(\w+): ")
#: Hyper-parameters that say how many positions a component sees.
_LENGTHS = {"window", "kernel"}
_TEMPERATURES = (0.0, 0.6)
#: A symbol of an equation that something else could take the place of: k_j, W_2, x; no function.
_SYMBOL = re.compile(r"(?<![\w{])(?!sum_|softmax_|[ijlt]\b)(?:[A-Za-z]+_\w+|[A-Za-z])(?![\w({])")
_PURPOSE = "card"

#: What the parts of a block do, for whoever has to choose one.
SLOT_WORK = {
    Slot.MIXER: "moves information from earlier positions to later ones: attention, recurrence, convolution",
    Slot.CHANNEL: "transforms each position by itself: feed-forward network, perceptron, gating, experts",
    Slot.NORM: "normalises or rescales the activations of each position",
    Slot.MODULATOR: "wraps a whole block: runs it again, feeds its output back, or gates it",
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Draft(_Answer):
    equations: Annotated[list[Annotated[str, Field(min_length=1, max_length=300)]], Field(min_length=1, max_length=8)]
    name: Annotated[str, Field(min_length=1, max_length=60)]


class _Replacement(_Answer):
    symbol: str
    becomes: Annotated[str, Field(min_length=1, max_length=120)]
    where: Annotated[list[Annotated[str, Field(min_length=1, max_length=120)]], Field(max_length=3)]


class _Claims(_Answer):
    cost: Literal["linear", "log-linear", "quadratic"]
    says: Annotated[list[Literal["window", "state", "fades", "order", "no_order"]], Field(max_length=5)]


class CardMaker:
    """Makes cards from sentences.

    Args:
        model: Who is asked.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def card(self, text: str, known: Catalogue, *, slot: str | None = None, trial: str | None = None) -> Card:
        """Make a card.

        Args:
            text: The idea, in a person's words.
            known: The components that exist: one of them is the starting point, and their names are taken.
            slot: The slot that it fills; the model chooses if not given.
            trial: What the requests are asked for, in the ledger.

        Raises:
            UsageError: If the idea is empty or too long, its slot is none that code can be written for, or no card can
                be made of it.
            ModelError: If the model gives no usable answer.
            BudgetSpentError: If a cap is reached.
        """
        idea = " ".join(text.split())
        if not re.search(r"[^\W\d_]", idea):
            raise UsageError("an idea is a sentence, such as 'attention whose keys are sharpened by a learned power'")
        if len(idea) > LONGEST_IDEA:
            raise InvalidValueError("idea", f"{idea[:40]}...", f"at most {LONGEST_IDEA} characters, not {len(idea)}")
        chosen = self._slot(idea, slot, known, trial)
        nearest, change = self._nearest(idea, chosen, known, trial)
        draft = self._draft(idea, nearest, change, trial)
        cost, properties = nearest.cost, promised(idea, chosen)
        if chosen is Slot.MIXER:
            variables = {"idea": idea, "equations": _listed(draft.equations)}
            claims = self._ask("card_claims", variables, _Claims, trial, max_tokens=120)
            properties = promised(idea, chosen, claims.says)
            cost = cost_class(CostClass(claims.cost), nearest.cost, idea)
        summary = _one_line(idea[:1].upper() + idea[1:])
        words = [f"in words: {idea}"] if len(summary) + 1 < len(idea) else []
        return Card.from_mapping(
            {
                "name": free_name(draft.name, chosen, known),
                "slot": chosen,
                "summary": summary,
                "equations": list(dict.fromkeys([*draft.equations, *words])),
                "hyperparameters": [_as_written(item) for item in _settings(nearest, idea)],
                "cost": cost,
                "properties": properties,
            },
            where="the card of the idea",
        )

    def _slot(self, idea: str, slot: str | None, known: Catalogue, trial: str | None) -> Slot:
        """Return the slot that was asked for, or the one that the model chooses.

        Raises:
            UsageError: If no code can be written for the one that was asked for.
        """
        open_slots = [item for item in SLOT_WORK if item in HARNESS_SLOTS and known.slot(item)]
        if slot is not None:
            if slot not in open_slots:
                raise UsageError(f"no component can be written for slot {slot!r}: choose from {', '.join(open_slots)}")
            return Slot(slot)
        spoken = spoken_slots(idea) & set(open_slots)
        if len(spoken) == 1:  # the words say it; a small model does not always hear it
            return spoken.pop()
        lines = [f"- {item}: {SLOT_WORK[item]}" for item in open_slots]
        answer = create_model("Chosen", __base__=_Answer, slot=(_one_of(open_slots), ...))
        variables = {"idea": idea, "slots": "\n".join(lines)}
        return Slot(self._ask("card_slot", variables, answer, trial, max_tokens=40).model_dump()["slot"])

    def _nearest(self, idea: str, slot: Slot, known: Catalogue, trial: str | None) -> tuple[ComponentSpec, str]:
        """Return the component to start from, and what must change."""
        specs = known.slot(slot)
        answer = create_model(
            "Nearest",
            __base__=_Answer,
            nearest=(_one_of(spec.name for spec in specs), ...),
            change=(Annotated[str, Field(min_length=1, max_length=300)], ...),
        )
        lines = [f"- {spec.name}: {spec.summary}" for spec in specs]
        variables = {"idea": idea, "slot": str(slot), "components": "\n".join(lines)}
        said = self._ask("card_nearest", variables, answer, trial, max_tokens=160).model_dump()
        return known.get(slot, said["nearest"]), _one_line(said["change"])

    def _draft(self, idea: str, nearest: ComponentSpec, change: str, trial: str | None) -> _Draft:
        """Return name and equations; asked again if nothing changed, and completed by the idea's own words."""
        start = equations_of(nearest)
        variables = {
            "idea": idea,
            "slot": str(nearest.slot),
            "nearest": nearest.name,
            "equations": _listed(start or [nearest.summary]),
            "change": change,
            "note": "",
        }
        before = {_bare(line) for line in start}
        for attempt in range(ATTEMPTS):
            said = self._ask("card_equations", variables, _Draft, trial, attempt=attempt, max_tokens=500)
            draft = said.model_copy(update={"equations": _cleaned(said.equations, start)})
            written = {_bare(line) for line in draft.equations if "=" in line and not _EXPLAINS.match(line)}
            if not written:
                note = "there was no equation in it"
            elif written <= before:
                note = f"its equations were those of {nearest.name}, unchanged: edit them"
            elif before <= written:  # what a model only adds, such as another bias, is seldom the idea
                note = f"it left every equation of {nearest.name} as it was: edit the one that the idea changes"
            else:
                return draft
            variables["note"] = f"Your last answer cannot be used: {note}."
        replaced = self._replacement(idea, nearest, start, trial) or [*start, f"but: {idea}"]
        return draft.model_copy(update={"equations": replaced})

    def _replacement(self, idea: str, nearest: ComponentSpec, start: list[str], trial: str | None) -> list[str] | None:
        """Return the equations with something else in the place of one symbol; None if the model says nothing else.

        That is less than an edit, and what a model that cannot edit may still be able to say.
        """
        start = [part for line in start for part in re.split(r",\s+(?=\w+ = )", line)]  # each with one left side
        symbols = sorted({found for line in start for found in _SYMBOL.findall(line.partition("=")[2])})
        if not symbols:
            return None
        answer = create_model("Replacement", __base__=_Replacement, symbol=(_one_of(symbols), ...))
        variables = {"idea": idea, "nearest": nearest.name, "equations": _listed(start), "symbols": ", ".join(symbols)}
        said = self._ask("card_replacement", variables, answer, trial, max_tokens=200)
        if not set(re.findall(r"\w+", said.becomes)) - {said.symbol}:
            return None
        symbol = re.compile(rf"(?<!\w){re.escape(said.symbol)}(?!\w)")
        equations = []
        for line in start:
            left, equals, right = line.partition("=")
            equations.append(left + equals + symbol.sub(lambda _: f"({said.becomes})", right))
        return [*equations, *_cleaned(said.where, start)]

    def _ask(
        self,
        prompt: str,
        variables: dict[str, str],
        schema: type[A],
        trial: str | None,
        *,
        max_tokens: int,
        attempt: int = 0,
    ) -> A:
        return self._model.ask(
            prompt,
            variables,
            schema,
            purpose=_PURPOSE,
            trial=trial,
            occurrence=attempt,
            temperature=_TEMPERATURES[attempt],
            max_tokens=max_tokens,
        )


def _one_of(names: Iterable[str]) -> Any:
    """Return the type of a choice from a list."""
    return Literal[tuple(map(str, names))]


def _settings(nearest: ComponentSpec, idea: str) -> list[Parameter]:
    """Return the hyper-parameters of the nearest component that a new one takes over: sizes, not variants."""
    sizes = [item for item in nearest.hyperparameters if type(item.default) in (int, float)]
    if window(idea) is not None:  # the idea says how far it sees
        sizes = [item for item in sizes if item.name not in _LENGTHS]
    return sizes[:MOST_SETTINGS]


def _one_line(text: str, most: int = 200) -> str:
    """Return a text on one line, cut at a word if it is too long."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= most else line[:most].rpartition(" ")[0]


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _bare(equation: str) -> str:
    """Return an equation without what does not change it."""
    return re.sub(r"[\s.,;]", "", equation)


def _cleaned(equations: Iterable[str], start: Iterable[str]) -> list[str]:
    """Return the lines of the equations, each once, without those that explain a symbol that was there before."""
    known = set(re.findall(r"\w+", " ".join(start)))
    lines = dict.fromkeys(" ".join(line.split()) for equation in equations for line in equation.splitlines())
    return [line for line in lines if line and not ((found := _EXPLAINS.match(line)) and found[1] in known)]


def _described(parameter: Parameter) -> str:
    """Return a hyper-parameter as a line for the model."""
    values = (
        ", ".join(map(str, parameter.choices))
        if isinstance(parameter, Categorical)
        else f"{parameter.low} to {parameter.high}"
    )
    return f"{parameter.name}: {values}"


def _as_written(parameter: Parameter) -> dict[str, Any]:
    """Return a parameter of the space as a card writes it."""
    written: dict[str, Any] = {"name": parameter.name, "default": parameter.default}
    if isinstance(parameter, Categorical):
        return {**written, "kind": "categorical", "domain": list(parameter.choices)}
    kind = "integer" if isinstance(parameter, Integer) else "float"
    return {**written, "kind": kind, "domain": [parameter.low, parameter.high], "log": parameter.log}


def free_name(said: str, slot: Slot, known: Catalogue) -> str:
    """Return a name in snake case that no component of the slot has; a taken one gets a number."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", said)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_0123456789")
    name = re.sub(r"^[0-9_]+", "", name)[:_LONGEST_NAME].rstrip("_") or f"new_{slot}"
    if keyword.iskeyword(name) or name in tuple(Slot):
        name = f"new_{name}"
    taken = {spec.name for spec in known.slot(slot)}
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
