"""How the component of a paper stands to what is known: the same, a variant, or new."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agents.paper_reader.carding import Draft
from agents.paper_reader.evidence import Shelf
from agents.paper_reader.findings import Nearest, Relation
from agents.paper_reader.kinship import Kinship, Known, as_nearest
from agents.paper_reader.plain import plain, quotable
from agents.paper_reader.questions import Compared, Questions
from agents.paper_reader.transcription import same_equations
from agents.writer.candidate import from_equations
from neuramosaic.components.card import Card
from neuramosaic.components.spec import CostClass, Provenance, Slot

#: The most known things that a paper's component is compared with.
_COMPARED = 5
#: Names so general that a paper's layer of that name need not be the one of the catalogue.
_GENERAL = frozenset("attention mlp recurrence ssm moe linearattention mixtureofexperts layernorm none".split())
_FAMILY = "recurrence"
_MATRIX_STATE = re.compile(r"\b(matrix_scan|delta_scan)\(")


@dataclass(frozen=True)
class Kin:
    """What is compared: a draft, and its paper."""

    draft: Draft
    shelf: Shelf


@dataclass(frozen=True)
class Related:
    """How it stands to what is known.

    Attributes:
        relation: The relation.
        name: Name of the component that it is the same as, or "".
        nearest: What it is nearest to, the nearest first.
        cost: Cost class of the nearest component, or None.
        reasons: Why, as lines for people.
    """

    relation: Relation
    name: str = ""
    nearest: tuple[Nearest, ...] = ()
    cost: CostClass | None = None
    reasons: list[str] = field(default_factory=list)


def related(kin: Kin, kinship: Kinship, questions: Questions) -> Related:
    """Compare a draft with the components and ideas of its slot.

    Names, papers and equations decide where they can. That a layer is the same as another is not taken from a model's
    word alone: a component that is written once too often does less harm than one that is never written.
    """
    draft, slot = kin.draft, str(kin.draft.slot)
    text = f"{draft.called} {draft.words()} {kin.shelf.title} {plain(kin.shelf.abstract(), 4000)}"
    pairs = kinship.nearest(text, slot, _COMPARED)
    named = [item for item in kinship.of_name(draft.called, slot) if item.component is not None]
    alike = [item for item, _ in pairs if same_equations(draft.equations, item.equations)]
    for item, why in ((named, "has its name"), (alike, "has its equations")):
        if item and (item is alike or not _general(draft.called)):
            reason = f"{item[0].slot} {item[0].component or item[0].name} {why}"
            near = _first(item[0], pairs)
            return Related("same", item[0].component or item[0].name, near, reasons=[reason])
    if not pairs:
        return Related("new", reasons=[f"no known {slot} has words in common with it"])
    known = [item for item, _ in pairs]
    variables = {
        "name": draft.called,
        "sentence": quotable(draft.sentence, 300),
        "equations": "\n".join(f"- {quotable(line)}" for line in draft.equations) or "(not stated)",
        "known": "\n".join(_shown(number, item) for number, item in enumerate(known, start=1)),
    }
    said = questions.try_ask("paper_relation", variables, Compared, max_tokens=120)
    nearest = known[said.nearest - 1] if said and said.nearest <= len(known) else known[0]
    relation: Relation = said.relation if said else "new"
    differs = f"; what differs: {plain(said.difference, 200)}" if said else ""
    reasons = [f"nearest known: {nearest.slot} {nearest.name}{differs}"]
    if relation == "same":
        relation = "variant"
        reasons.append("said to be the same, but neither its name, its paper nor its equations are: a variant")
    family = next((item for item in kinship.known if item.name == _FAMILY and item.slot == slot), None)
    if relation == "new" and family is not None and _matrix_state(draft):
        relation, nearest = "variant", family
        reasons.append(f"its equations keep a matrix state, as the family {_FAMILY} does: a variant")
    return Related(relation, "", _first(nearest, pairs), nearest.cost, reasons)


def _first(item: Known, pairs: list[tuple[Known, float]]) -> tuple[Nearest, ...]:
    """Return what is nearest with one of them before all others."""
    own = next((similarity for known, similarity in pairs if known is item), 0.0)
    return (as_nearest(item, own), *(as_nearest(*pair) for pair in pairs if pair[0] is not item))


def _shown(number: int, item: Known) -> str:
    equations = "; ".join(item.equations)[:240]
    return f"[{number}] {item.name}: {item.summary}" + (f" ({equations})" if equations else "")


def _general(name: str) -> bool:
    return "".join(filter(str.isalnum, name.casefold())) in _GENERAL


def _matrix_state(draft: Draft) -> bool:
    if draft.slot is not Slot.MIXER or not draft.equations:
        return False
    fields = {"name": "draft", "slot": str(draft.slot), "summary": "draft", "equations": draft.equations}
    read = from_equations(Card.from_mapping(fields, "the draft"), Provenance.PAPER)
    return read is not None and _MATRIX_STATE.search(read.text) is not None
