"""The reader of papers: from the passages of a paper to the card of the component that it describes.

Everything of the paper is data. The model is asked small questions about numbered lines and answers with their numbers;
what is taken over is what stands on those lines. Whatever a paper says, it can change the content of its card only:
which questions are asked, what is run and where is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agents.card_maker import SLOT_WORK
from agents.llm.client import LanguageModel
from agents.paper_reader.carding import Draft, finished_card, settings_of
from agents.paper_reader.evidence import Line, Search, Shelf, numbered
from agents.paper_reader.findings import Evidence, Nearest, PaperFindings
from agents.paper_reader.kinship import Kinship, KnownIdea, TextEmbedder, as_nearest
from agents.paper_reader.plain import plain, quotable, says
from agents.paper_reader.properties import claimed
from agents.paper_reader.questions import Chosen, Equations, Questions, placed
from agents.paper_reader.relation import Kin, related
from agents.paper_reader.transcription import MOST_EQUATIONS, problem, supported, tidy
from knowledge.papers import Document, Paper, Passage
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.store.ledger import Ledger
from neuramosaic.verify.ladder import HARNESS_SLOTS

#: How often the part and the equations are asked for: the second time with what was wrong.
ATTEMPTS = 2
#: The most passages that may hold the equations, and the most that are copied from.
_CANDIDATES, _COPIED_FROM = 8, 3
#: Characters of a passage that are shown where it is only chosen.
_GLANCE = 360
_COMPUTES = {
    Slot.MIXER: ("hidden state recurrence update rule", "attention output at position t softmax q k v"),
    Slot.CHANNEL: ("feed-forward hidden units activation function", "gate element-wise product linear map"),
    Slot.NORM: ("normalisation mean variance scale of activations",),
    Slot.MODULATOR: ("block applied again gate feedback residual",),
}


@dataclass
class _Placed:
    """The layer that a paper proposes: its slot, its name, and the sentence that says so."""

    slot: Slot
    name: str
    line: Line


@dataclass
class _Notes:
    reasons: list[str] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)


class PaperReader:
    """Reads papers.

    Args:
        model: Who is asked; None: nobody, and only what is nearest is told.
        ideas: The built-in ideas that papers are compared with, besides the components.
        embedder: Says how near two texts are in meaning; without it, their words decide alone.
        ledger: Where answers to the same questions are found; None: everything is asked.
    """

    def __init__(
        self,
        model: LanguageModel | None,
        *,
        ideas: Iterable[KnownIdea] = (),
        embedder: TextEmbedder | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._model, self._ideas, self._embedder, self._ledger = model, tuple(ideas), embedder, ledger

    def read(
        self, paper: Paper, document: Document, passages: Sequence[Passage], search: Search, known: Catalogue
    ) -> PaperFindings:
        """Read one paper.

        Args:
            paper: What is known of it.
            document: What was read of its pages.
            passages: Its passages.
            search: How passages are found by what they say.
            known: The components that exist.

        Raises:
            BudgetSpentError: If a cap is reached; what was answered is in the ledger.
            ModelError: If the model gives no usable answer.
        """
        shelf = Shelf(paper, document, passages, search)
        kinship = Kinship(known, self._ideas, self._embedder)
        text = f"{shelf.title} {plain(shelf.abstract(), 4000)}"
        at_once = self._known_paper(paper, kinship, text)
        if at_once is not None:
            return at_once
        nearest = tuple(as_nearest(item, similarity) for item, similarity in kinship.nearest(text))
        if self._model is None:
            reasons = ("no language model was asked: only what is nearest by its words is told",)
            return PaperFindings(paper.id, "none", nearest=nearest, reasons=reasons)
        return self._asked(self._model, shelf, kinship, known, nearest)

    def _known_paper(self, paper: Paper, kinship: Kinship, text: str) -> PaperFindings | None:
        """Return the findings of a paper whose component is known by the paper's id."""
        of_paper = [item for item in kinship.of_paper(paper.arxiv_id) if item.component is not None]
        if not of_paper or paper.arxiv_id is None:
            return None
        first = of_paper[0]
        called = first.papers[paper.arxiv_id]
        what = f"{first.slot} {first.component}"
        point = "" if called == first.name else f", as the point {plain(called, 60)!r} of it"
        why = f"{what} comes from this paper (arXiv {paper.arxiv_id}){point}"
        if first.kind == "idea":
            why = f"{what} has the idea of this paper (arXiv {paper.arxiv_id}): {first.name}"
        others = [pair for pair in kinship.nearest(text, first.slot) if pair[0] is not first]
        return PaperFindings(
            paper.id,
            "same",
            name=str(first.component),
            slot=first.slot,
            nearest=(as_nearest(first, 1.0), *(as_nearest(*pair) for pair in others)),
            reasons=(why,),
        )

    def _asked(
        self,
        model: LanguageModel,
        shelf: Shelf,
        kinship: Kinship,
        known: Catalogue,
        nearest: tuple[Nearest, ...],
    ) -> PaperFindings:
        questions = Questions(model, shelf.paper.id, self._ledger)
        notes, who = _Notes(), model.provider.model
        place = self._place(shelf, kinship, questions, notes)
        if place is None:
            return PaperFindings(shelf.paper.id, "none", nearest=nearest, reasons=tuple(notes.reasons), model=who)
        notes.evidence |= {field_name: place.line.evidence() for field_name in ("slot", "summary")}
        equations = self._equations(shelf, place, questions, notes)
        draft = Draft(place.slot, place.name, place.line.quote, equations, shelf.paper)
        kin = related(Kin(draft, shelf), kinship, questions)
        notes.reasons += kin.reasons
        card = None
        if not equations:
            notes.reasons.append("no card: no passage was found that states its equations")
        elif kin.relation != "same":
            draft.settings = settings_of(draft, shelf, questions, notes.evidence)
            draft.cost, draft.properties = claimed(draft, shelf, questions, notes.evidence, kin.cost)
            card = finished_card(draft, known, notes.evidence, notes.reasons)
        return PaperFindings(
            shelf.paper.id,
            kin.relation,
            name=card.name if card else kin.name or draft.snake_name(),
            slot=str(place.slot),
            card=card,
            evidence=notes.evidence,
            nearest=kin.nearest or nearest,
            reasons=tuple(notes.reasons),
            model=who,
        )

    # -- which part, and what it is called -----------------------------------------------------------------------------

    def _place(self, shelf: Shelf, kinship: Kinship, questions: Questions, notes: _Notes) -> _Placed | None:
        """Return the layer that the paper proposes, or None if it is none of our parts."""
        lines = shelf.introduction()
        if not lines:
            notes.reasons.append("it has no sentence that says what it proposes")
            return None
        idea = next((item for item in kinship.of_paper(shelf.paper.arxiv_id) if item.slot in HARNESS_SLOTS), None)
        variables = {
            "slots": "\n".join(f"- {slot}: {SLOT_WORK[Slot(slot)]}" for slot in HARNESS_SLOTS),
            "title": shelf.title,
            "headings": shelf.headings(),
            "lines": numbered(lines),
            "note": "",
        }
        schema = placed(tuple(HARNESS_SLOTS))
        said: dict[str, object] = {}
        for _attempt in range(ATTEMPTS):
            said = questions.ask("paper_slot", variables, schema, max_tokens=100).model_dump()
            wrong = _misplaced(said, lines, shelf)
            if wrong is None:
                break
            variables["note"] = f"Your last answer cannot be used: {wrong}."
        number = int(str(said["sentence"]))
        if not 1 <= number <= len(lines):
            notes.reasons.append("the sentence that says what it proposes is not stated: the first one is taken")
            number = 1
        part = str(said["part"])
        if idea is not None and part != idea.slot:
            notes.reasons.append(f"its slot is that of the known idea {idea.name}, not {part}")
            part = idea.slot
        if part == "none":
            quote = plain(lines[number - 1].quote, 160)
            notes.reasons.append(f"it proposes no mixer, channel, norm or modulator, by the sentence: {quote}")
            return None
        name = str(said["name"])
        if not name.strip() or not _names_it(name, lines, shelf):
            notes.reasons.append("what the paper calls it is not stated: the title is taken")
            name = " ".join(shelf.title.partition(":")[0].split()[:4])
        else:
            where = next((line for line in lines if says(line.quote, name)), None)
            if where is not None:
                notes.evidence["name"] = where.evidence()
        return _Placed(Slot(part), quotable(name, 60), lines[number - 1])

    # -- the equations -------------------------------------------------------------------------------------------------

    def _equations(self, shelf: Shelf, place: _Placed, questions: Questions, notes: _Notes) -> list[str]:
        """Return the equations that passages support, each with its evidence."""
        name = place.name
        queries = (f"{name} is defined as", "the layer computes the output y_t from x_t", *_COMPUTES[place.slot])
        candidates = shelf.computing(queries, _CANDIDATES)
        if not candidates:
            return []
        if len(candidates) > _COPIED_FROM:
            variables = {"name": name, "lines": numbered(candidates, _GLANCE)}
            said = questions.try_ask("paper_passages", variables, Chosen, max_tokens=40)
            numbers = sorted({number for number in (said.passages if said else ()) if number <= len(candidates)})
            candidates = [candidates[number - 1] for number in numbers] or candidates[:_COPIED_FROM]
        variables = {"name": name, "slot": str(place.slot), "lines": numbered(candidates), "note": ""}
        kept: list[tuple[str, Line]] = []
        for _attempt in range(ATTEMPTS):
            copied = questions.try_ask("paper_equations", variables, Equations, max_tokens=320)
            if copied is None:  # such as a list that does not end
                notes.reasons.append("the language model copied no equations that could be used")
                break
            found, wrong = _checked(copied, candidates)
            if len(found) >= len(kept):
                kept = found
            if not wrong:
                break
            variables["note"] = f"Your last answer cannot be used as it is: {wrong[0]}."
        equations: list[str] = []
        for line, source in kept[:MOST_EQUATIONS]:
            notes.evidence[f"equations[{len(equations)}]"] = source.evidence()
            equations.append(line)
        return equations


def _misplaced(said: dict[str, object], lines: Sequence[Line], shelf: Shelf) -> str | None:
    """Return what is wrong with an answer to which part a paper proposes, or None."""
    if not 1 <= int(str(said["sentence"])) <= len(lines):
        return f"there is no sentence {said['sentence']}; they are numbered 1 to {len(lines)}"
    if said["part"] == "none":
        return None
    name = str(said["name"])
    if not _names_it(name, lines, shelf):
        return f"the name {quotable(name, 60)!r} stands in none of the sentences; copy the name that they use"
    return None


def _names_it(name: str, lines: Sequence[Line], shelf: Shelf) -> bool:
    return any(says(text, name) for text in (shelf.title, *(line.quote for line in lines)))


def _checked(said: Equations, lines: Sequence[Line]) -> tuple[list[tuple[str, Line]], list[str]]:
    """Return the equations that can be kept, each with its passage, and what is wrong with the others."""
    kept: dict[str, Line] = {}
    wrong = []
    if not said.equations:
        wrong.append("it holds no equation; copy those of the passages, or give an empty list again if there is none")
    for item in said.equations:
        line = tidy(item.line)
        trouble = problem(line)
        if trouble is None:
            named = [lines[item.passage - 1]] if item.passage <= len(lines) else []
            source = next((each for each in (*named, *lines) if supported(line, each.quote)), None)
            if source is not None:
                kept.setdefault(line, source)
                continue
            trouble = f"{line!r} does not stand in passage {item.passage}: copy what stands there"
        wrong.append(trouble)
    return list(kept.items()), wrong
