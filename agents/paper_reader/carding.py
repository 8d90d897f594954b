"""From what was found to a card that is valid: names, hyper-parameters, and what the notation needs besides."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from agents.card_maker import free_name
from agents.paper_reader.evidence import Shelf, numbered
from agents.paper_reader.findings import Evidence
from agents.paper_reader.plain import plain
from agents.paper_reader.questions import Questions, values_of
from agents.paper_reader.transcription import undefined
from agents.writer.writer import check_card
from knowledge.papers import Paper
from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import CostClass, Slot
from neuramosaic.errors import UsageError

#: Longest summary, in characters.
LONGEST_SUMMARY = 200
_HEADS = (1, 2, 4, 8)
_SETTINGS = ("window", "kernel", "groups", "experts", "passes", "steps")
#: What a hyper-parameter's number may be, in a model as small as those of a study.
_MOST = {"window": 128, "kernel": 32, "groups": 8, "experts": 8, "passes": 4, "steps": 4}
_OPENING = re.compile(
    r"^(?:\(?\d+\)?[.)]? )?(?:(?:in this (?:paper|work)|here|to (?:this end|\w+ \w+)|therefore|thus|instead),? )?"
    r"(?:we|this (?:paper|work)) (?:\w+ )?(?:proposes?|introduces?|presents?|develops?|describes?) ",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"\d")
_PER_HEAD = re.compile(r"softmax|\^T|head", re.IGNORECASE)


@dataclass
class Draft:
    """A card in the making.

    Attributes:
        slot: The slot.
        called: What the paper calls it.
        sentence: The sentence that says what it is.
        equations: Lines that passages support.
        paper: The paper.
        settings: Hyper-parameters, as a card writes them.
        cost: How its time grows.
        properties: What it promises.
    """

    slot: Slot
    called: str
    sentence: str
    equations: list[str]
    paper: Paper
    settings: list[dict[str, Any]] = field(default_factory=list)
    cost: CostClass = CostClass.LINEAR
    properties: dict[str, bool | int] = field(default_factory=dict)

    def snake_name(self) -> str:
        """Return what the paper calls it in snake case, whether or not that is taken."""
        return free_name(self.called, self.slot, Catalogue())

    def summary(self) -> str:
        """Return the sentence as the summary of a card: one line, without how papers begin it."""
        said = _OPENING.sub("", plain(self.sentence))
        line = plain(said, LONGEST_SUMMARY).rstrip(".,;: ")
        return (line[:1].upper() + line[1:]) or f"{self.slot} of {self.paper.id}"

    def words(self) -> str:
        """Return what the paper says of it in words."""
        return f"{self.called}: {plain(self.sentence)}"


def settings_of(
    draft: Draft, shelf: Shelf, questions: Questions, evidence: dict[str, Evidence]
) -> list[dict[str, Any]]:
    """Return the hyper-parameters that the equations use and whose values the paper states.

    One whose value is not stated is a default of ours and not asked for; a value counts only if its sentence has the
    number and the name.
    """
    text = " ".join(draft.equations)
    names = [name for name in _SETTINGS if re.search(rf"(?<![A-Za-z]){name}(?![A-Za-z])", text)]
    if draft.slot is Slot.MIXER and _PER_HEAD.search(text):
        names.insert(0, "heads")
    if not names:
        return []
    spoken = re.compile("|".join(name.rstrip("s") for name in names), re.IGNORECASE)
    queries = [f"number of {name}, set to" for name in names]
    lines = [line for line in shelf.sentences(queries, spoken, 12) if _NUMBERS.search(line.quote)][:6]
    stated: dict[str, int] = {}
    if lines:
        variables = {"name": draft.called, "settings": ", ".join(names), "lines": numbered(lines)}
        answer = questions.try_ask("paper_settings", variables, values_of(tuple(names)), max_tokens=120)
        for item in answer.model_dump()["settings"] if answer else []:
            name, value, number = item["name"], item["value"], item["sentence"]
            line = lines[number - 1] if number <= len(lines) else None
            if line is None or name in stated or value != int(value) or not 1 <= value <= 4096:
                continue
            named = re.search(name.rstrip("s"), line.quote, re.IGNORECASE)
            if named and re.search(rf"(?<![\d.]){int(value)}(?![\d.]*\d)", line.quote):
                stated[name] = int(value)
                evidence[f"hyperparameters.{name}"] = line.evidence()
    return [_setting(name, stated.get(name)) for name in names if name in stated or name != "heads"]


def finished_card(draft: Draft, known: Catalogue, evidence: dict[str, Evidence], reasons: list[str]) -> Card | None:
    """Return the card, or None if none can be made of what was found; says why.

    A sequence that the equations use and none defines is taken as a learned map of the input: that is not stated, and
    said so.
    """
    equations = list(draft.equations)
    loose = undefined(equations, draft.slot)
    if loose:
        added = [f"{name}_t = W_{name} x_t" for name in loose]
        equations = [*added, *equations]
        moved = {key: item for key, item in evidence.items() if key.startswith("equations[")}
        for key in moved:
            del evidence[key]
        for key, item in moved.items():
            evidence[f"equations[{int(key[10:-1]) + len(added)}]"] = item
        reasons.append(f"not stated: how {', '.join(loose)} are made; taken as learned maps of x")
    pages = sorted({item.page for key, item in evidence.items() if key in ("summary", "name") or "equations" in key})
    arxiv_id = draft.paper.arxiv_id
    fields: dict[str, Any] = {
        "slot": str(draft.slot),
        "summary": draft.summary(),
        "equations": equations,
        "hyperparameters": draft.settings,
        "cost": str(draft.cost),
        "properties": draft.properties,
        **({"paper": arxiv_id, "pages": pages} if arxiv_id else {}),
    }
    problem = ""
    for called in (draft.called, f"{draft.called} {draft.slot}", f"new {draft.slot}"):
        try:
            card = Card.from_mapping({**fields, "name": free_name(called, draft.slot, known)}, "the card of the paper")
            check_card(card)
        except UsageError as error:
            problem = plain(str(error), 300)
        else:
            return card
    reasons.append(f"no card: {problem}")
    return None


def _setting(name: str, value: int | None) -> dict[str, Any]:
    """Return a hyper-parameter as a card writes it: around the stated value, as far as small models allow."""
    if name == "heads":
        least = max(head for head in _HEADS if head <= max(1, value or 4))
        return {"name": name, "kind": "categorical", "domain": list(_HEADS), "default": least}
    default = min(_MOST[name], value or 4)
    return {
        "name": name,
        "kind": "integer",
        "domain": [max(1, default // 2), min(_MOST[name], max(2, 2 * default))],
        "default": default,
    }
