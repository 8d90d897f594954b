"""The card maker: turns a person's sentence into a card, with questions that a small model can answer.

Where the words name a quantity and what is done to it, the model chooses among well-formed edits of verified components
(`agents.card_edits`); where none of these is the idea it writes equations, which a rule reads at once, and is told what
is wrong with them. What it may get wrong without anybody noticing (a name that is taken, a cost that is too good, a
property that the words do not promise) is decided here.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from agents.card_claims import cost_class, promised, spoken_slots, window
from agents.card_edits import Edit, edits, fitting
from agents.card_reading import complete, undefined
from agents.card_starts import Start, as_written, near, starts
from agents.llm.client import LanguageModel
from neuramosaic.components.card import Card
from neuramosaic.components.equations import equations_of
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, CostClass, Slot
from neuramosaic.errors import InvalidValueError, UsageError
from neuramosaic.space.domains import Parameter
from neuramosaic.verify.ladder import HARNESS_SLOTS

A = TypeVar("A", bound=BaseModel)

#: Longest idea, in characters.
LONGEST_IDEA = 2000
#: How often the equations are asked for.
ATTEMPTS = 2
#: The most hyper-parameters that a new component takes over.
MOST_SETTINGS = 2
#: Longest name, in characters.
LONGEST_NAME = 40
#: A line that says what a symbol is, such as "p: learned, one per head".
_EXPLAINS = re.compile(r"(\w+): ")
#: Hyper-parameters that say how many positions a component sees.
_LENGTHS = {"window", "kernel"}
_TEMPERATURES = (0.0, 0.6)
#: What an idea of several changes has between them.
_SEVERAL = re.compile(r"\band\b|[,;]|\bthen\b|\balso\b|\bboth\b")
_PURPOSE = "card"
#: The ways in which a card can come about.
CHOSEN, FREE, UNREAD = "edit chosen", "free equations", "equations not readable"
#: How many edits are shown to choose from.
MENU = 8
#: How many edits one card may hold.
MOST_EDITS = 2

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


class _Claims(_Answer):
    cost: Literal["linear", "log-linear", "quadratic"]
    says: Annotated[list[Literal["window", "state", "fades", "order", "no_order"]], Field(max_length=5)]


@dataclass(frozen=True)
class MadeCard:
    """A card, and how it came about.

    Attributes:
        card: The card.
        way: `edit chosen`, `free equations`, or `equations not readable`.
        start: Name of the component that it started from.
        edits: What was changed, if edits were chosen.
        problem: What the rule that reads equations could not understand; empty if it reads them.
    """

    card: Card
    way: str
    start: str
    edits: tuple[str, ...] = ()
    problem: str = ""

    def told(self) -> dict[str, Any]:
        """Return what the record of a proposal keeps of it."""
        told: dict[str, Any] = {"way": self.way, "start": self.start}
        if self.edits:
            told["edits"] = list(self.edits)
        return {**told, "problem": self.problem} if self.problem else told


@dataclass(frozen=True)
class _Nearest:
    """The component that free equations start from: perhaps one whose own equations no rule reads."""

    name: str
    equations: list[str]
    cost: CostClass
    hyperparameters: Sequence[Parameter]
    summary: str
    start: Start | None


class CardMaker:
    """Makes cards from sentences.

    Args:
        model: Who is asked.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def card(self, text: str, known: Catalogue, *, slot: str | None = None, trial: str | None = None) -> MadeCard:
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
        begin = starts(known, chosen)
        made = self._edited(idea, near(idea, begin), known, trial)
        return made or self._free(idea, chosen, begin, known, trial)

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

    def _edited(self, idea: str, begin: Sequence[Start], known: Catalogue, trial: str | None) -> MadeCard | None:
        """Have edits chosen that the words speak of; None if they speak of none, or none of them is the idea.

        Args:
            idea: The idea.
            begin: The components to edit, the nearest first.
            known: The components that exist.
            trial: What the requests are asked for.
        """
        chosen: list[Edit] = []
        rest, possible = idea, [edit for start in begin for edit in edits(start)]
        while len(chosen) < (MOST_EDITS if _SEVERAL.search(idea) else 1):
            fit = fitting(rest, possible, MENU)
            edit = self._chosen(idea, fit, chosen, trial) if fit else None
            if edit is None:
                break
            chosen.append(edit)
            rest = re.sub(edit.target.words, " ", rest, flags=re.IGNORECASE)  # each quantity is changed once
            possible = list(edits(edit.result))
        return edited_card(chosen, known, idea) if chosen else None

    def _chosen(self, idea: str, menu: Sequence[Edit], before: Sequence[Edit], trial: str | None) -> Edit | None:
        """Return the edit that the model takes to be the idea, or None if it says that none is."""
        lines = [f"{number}. {edit.sentence if not before else edit.phrase}" for number, edit in enumerate(menu, 1)]
        none = f"0. nothing else: it is said in full by: {before[-1].phrase}" if before else "0. none of these"
        answer = create_model(
            "Choice",
            __base__=_Answer,
            reason=(Annotated[str, Field(min_length=1, max_length=300)], ...),
            choice=(numbers(len(menu)), ...),
        )
        variables = {"idea": idea, "edits": "\n".join([*lines, none])}
        said = self._ask("card_edit", variables, answer, trial, max_tokens=160).model_dump()["choice"]
        return menu[said - 1] if said else None

    def _free(self, idea: str, slot: Slot, begin: Sequence[Start], known: Catalogue, trial: str | None) -> MadeCard:
        """Have equations written, asked again with what is wrong with them."""
        nearest, change = self._nearest(idea, slot, begin, known, trial)
        parent = nearest.start.reading().function if nearest.start else ""
        variables = {
            "idea": idea,
            "slot": str(slot),
            "nearest": nearest.name,
            "equations": _listed(nearest.equations or [nearest.summary]),
            "change": change,
            "note": "",
        }
        before = {_bare(line) for line in nearest.equations}
        problem, last = "", Card.from_mapping({"name": "x", "slot": slot, "summary": "x"})
        for attempt in range(ATTEMPTS):
            said = self._ask("card_equations", variables, _Draft, trial, attempt=attempt, max_tokens=500)
            lines = _cleaned(said.equations, nearest.equations)
            draft = self._described(idea, slot, nearest, said.name, lines, known)
            filled, reading = complete(draft)
            written = {_bare(line) for line in lines if "=" in line and not _EXPLAINS.match(line)}
            unknown = undefined(draft)
            if not written:
                problem = "there was no equation in it"
            elif written <= before or (reading.readable and reading.function == parent):
                problem = f"it computes what {nearest.name} computes: change an equation"
            elif not reading.readable:
                problem, last = reading.problem, draft
            elif unknown is not None:
                problem = f"nothing says what {unknown} is: define it, or say that it is learned"
                last = draft
            else:
                return self._claimed(MadeCard(filled, FREE, nearest.name), idea, nearest, trial)
            variables["note"] = f"Your last answer cannot be used: {problem}."
        if not last.equations:
            lines = [*nearest.equations, f"but: {idea}"]
            last = self._described(idea, slot, nearest, nearest.name, lines, known)
        return self._claimed(MadeCard(last, UNREAD, nearest.name, problem=problem), idea, nearest, trial)

    def _described(
        self, idea: str, slot: Slot, nearest: _Nearest, name: str, lines: Sequence[str], known: Catalogue
    ) -> Card:
        """Return a card with equations; it claims nothing yet."""
        return Card.from_mapping(
            {
                "name": free_name(name, slot, known),
                "slot": slot,
                "summary": summary_of(idea),
                "equations": list(dict.fromkeys([*lines, *_in_words(idea)])),
                "hyperparameters": [as_written(item) for item in _settings(nearest.hyperparameters, idea)],
                "cost": nearest.cost,
                "properties": promised(idea, slot),
            },
            where="the card of the idea",
        )

    def _claimed(self, made: MadeCard, idea: str, nearest: _Nearest, trial: str | None) -> MadeCard:
        """Return a card with the cost and the properties that its words and the model give it."""
        card = made.card
        if card.slot is not Slot.MIXER:
            return made
        variables = {"idea": idea, "equations": _listed(card.equations)}
        claims = self._ask("card_claims", variables, _Claims, trial, max_tokens=120)
        data = card.model_dump(mode="json")
        data["cost"] = cost_class(CostClass(claims.cost), nearest.cost, idea)
        data["properties"] = promised(idea, card.slot, claims.says)
        return replace(made, card=Card.from_mapping(data, where="the card of the idea"))

    def _nearest(
        self, idea: str, slot: Slot, begin: Sequence[Start], known: Catalogue, trial: str | None
    ) -> tuple[_Nearest, str]:
        """Return the component to start from, and what must change."""
        found = {spec.name: _of_spec(spec) for spec in known.slot(slot)}
        found |= {start.name: _of_start(start) for start in begin}
        answer = create_model(
            "Nearest",
            __base__=_Answer,
            nearest=(_one_of(found), ...),
            change=(Annotated[str, Field(min_length=1, max_length=300)], ...),
        )
        lines = [f"- {each.name}: {each.summary}" for each in found.values()]
        variables = {"idea": idea, "slot": str(slot), "components": "\n".join(lines)}
        said = self._ask("card_nearest", variables, answer, trial, max_tokens=160).model_dump()
        return found[said["nearest"]], _one_line(said["change"])

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


def numbers(most: int) -> Any:
    """Return the type of a number from 0 to `most`."""
    return Literal[tuple(range(most + 1))]


def edited_card(chosen: Sequence[Edit], known: Catalogue, idea: str = "") -> MadeCard:
    """Return the card of edits that were chosen, one after the other.

    Args:
        chosen: The edits, at least one; each edits what came of the one before.
        known: The components that exist: their names are taken.
        idea: A person's words for it; by default it is described by the edits.
    """
    first, last = chosen[0].start, chosen[-1].result
    words = "; ".join([first.summary.rstrip("."), *(edit.phrase for edit in chosen)])
    name = "_".join([*(edit.name for edit in chosen), first.name])
    card = last.card(free_name(name, last.slot, known), summary_of(idea or words))
    lines = [*card.equations, *_in_words(idea)]
    card = card.model_copy(update={"equations": lines})
    return MadeCard(card, CHOSEN, first.name, tuple(edit.phrase for edit in chosen))


def summary_of(text: str) -> str:
    """Return an idea as the summary of a card: one line."""
    return _one_line(text[:1].upper() + text[1:])


def _in_words(idea: str) -> list[str]:
    """Return a line that holds an idea in full, if a summary does not."""
    return [f"in words: {idea}"] if len(summary_of(idea)) + 1 < len(idea) else []


def _of_start(start: Start) -> _Nearest:
    return _Nearest(start.name, start.equations, start.cost, start.hyperparameters, start.summary, start)


def _of_spec(spec: ComponentSpec) -> _Nearest:
    return _Nearest(spec.name, equations_of(spec), spec.cost, spec.hyperparameters, spec.summary, None)


def _one_of(names: Iterable[str]) -> Any:
    """Return the type of a choice from a list."""
    return Literal[tuple(map(str, names))]


def _settings(nearest: Sequence[Parameter], idea: str) -> list[Parameter]:
    """Return the hyper-parameters of the nearest component that a new one takes over: sizes, not variants."""
    sizes = [item for item in nearest if type(item.default) in (int, float)]
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


def free_name(said: str, slot: Slot, known: Catalogue) -> str:
    """Return a name in snake case that no component of the slot has; a taken one gets a number."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", said)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_0123456789")
    name = re.sub(r"^[0-9_]+", "", name)[:LONGEST_NAME].rstrip("_") or f"new_{slot}"
    if keyword.iskeyword(name) or name in tuple(Slot):
        name = f"new_{name}"
    taken = {spec.name for spec in known.slot(slot)}
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
