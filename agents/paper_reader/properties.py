"""What a paper promises of its component: its cost and its properties, each with the sentence that says so."""

from __future__ import annotations

import re

from agents.card_claims import cost_class, promised
from agents.paper_reader.carding import Draft
from agents.paper_reader.evidence import Shelf, numbered
from agents.paper_reader.findings import Evidence
from agents.paper_reader.questions import Claims, Questions
from agents.writer.candidate import from_equations
from neuramosaic.components.card import Card
from neuramosaic.components.spec import CostClass, Provenance, Slot

_QUERIES = ("time complexity linear quadratic in the sequence length", "constant memory per step at inference")
_SAYS = re.compile(
    r"\b(linear(?:ly)?|quadratic(?:ally)?|sub-?quadratic|complexity|O\(|constant|window|decay\w*|forget\w*|recurren\w*"
    r"|hidden state|states?|running|order)\b",
    re.IGNORECASE,
)
#: What a sentence has to say for a cost that is less than the equations, as they stand, would have.
_CHEAP = re.compile(r"\b(linear(?:ly)?|sub-?quadratic|log-linear|n log n|constant)\b|O\(", re.IGNORECASE)
#: Lines of a sketch whose work grows with the square of the length.
_ALL_PAIRS = re.compile(r"\b(scores|cosine|attention|causal_softmax|causal|mT)\b")
#: What each property is called on a card.
_FIELDS = {"window": "receptive_field", "state": "recurrent_form", "fades": "decay_of_influence"}


def claimed(
    draft: Draft, shelf: Shelf, questions: Questions, evidence: dict[str, Evidence], nearest: CostClass | None
) -> tuple[CostClass, dict[str, bool | int]]:
    """Return the cost class and the properties of a card.

    Args:
        draft: The card so far.
        shelf: The paper.
        questions: About the paper.
        evidence: Where the sentences behind them are added.
        nearest: Cost class of the nearest component, if there is one.
    """
    if draft.slot is not Slot.MIXER:
        return CostClass.LINEAR, promised(draft.words(), draft.slot)
    shape = _by_equations(draft)
    lines = shelf.sentences(_QUERIES, _SAYS, 8)
    if not lines:
        return shape or nearest or CostClass.QUADRATIC, {}
    variables = {
        "name": draft.called,
        "equations": "\n".join(f"- {line}" for line in draft.equations),
        "lines": numbered(lines),
    }
    said = questions.try_ask("paper_claims", variables, Claims, max_tokens=200)
    cost = shape or nearest or CostClass.QUADRATIC
    if said is None:
        return cost, {}
    if 1 <= said.cost_sentence <= len(lines):
        line = lines[said.cost_sentence - 1]
        if shape is not CostClass.QUADRATIC or _CHEAP.search(line.quote):  # else its own equations say more
            cost = cost_class(CostClass(said.cost), cost, line.quote)
        if cost is CostClass(said.cost):
            evidence["cost"] = line.evidence()
    properties: dict[str, bool | int] = {}
    for item in said.says:
        if item.sentence > len(lines):
            continue
        line = lines[item.sentence - 1]
        for name, value in promised(line.quote, draft.slot, [item.what]).items():
            if name not in properties:
                properties[name] = value
                evidence[f"properties.{name}"] = line.evidence()
    if "recurrent_form" in properties and cost is CostClass.QUADRATIC:  # one of the two is wrong; the code will show
        del properties["recurrent_form"], evidence["properties.recurrent_form"]
    return cost, properties


def _by_equations(draft: Draft) -> CostClass | None:
    """Return how the work of the equations grows, where they can be read by rule."""
    card = Card.from_mapping(
        {"name": "draft", "slot": str(draft.slot), "summary": "draft", "equations": draft.equations}, "the draft"
    )
    read = from_equations(card, Provenance.PAPER)
    if read is None:
        return None
    if "window_attention" in read.text:
        return CostClass.LINEAR
    return CostClass.QUADRATIC if _ALL_PAIRS.search(read.text) else CostClass.LINEAR
