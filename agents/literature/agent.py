"""Finds for a study what is known: in the built-in ideas always, in a library of papers where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agents.literature.brief import Brief, Citation, Finding
from agents.literature.queries import Query, Situation, queries_of
from agents.llm.base import BudgetSpentError, ModelError
from agents.llm.client import LanguageModel
from knowledge.ideas import Idea, Realisation, WordIndex, as_papers, ideas
from knowledge.ideas.idea import ID_PREFIX
from knowledge.papers import Hit
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, Provenance, Slot
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.architecture import Architecture, Choice
from neuramosaic.store.records import TrialRecord

EVERY = 8
"""After so many more finished trials there is a new brief."""
PROMPT = "literature_queries"
MAX_TOKENS = 120
MOST_HITS = 40  # passages of the ideas looked at for a query; an idea has four
NEAR = 0.5  # of the best score, below which an idea is no answer
LONGEST_QUOTE = 140
#: Slots that the designer may ask a new component for.
_INVENTED = (Slot.MIXER, Slot.CHANNEL, Slot.MODULATOR)

_Words = Annotated[str, AfterValidator(lambda text: " ".join(text.split())[:100])]


class Passages(Protocol):
    """The search of a library of papers."""

    def __call__(self, text: str, limit: int) -> Sequence[Hit]:
        """Return the passages nearest to a text, the nearest first, at most `limit`."""
        ...


class _Asked(BaseModel):
    """What an answer with queries has to be."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    queries: Annotated[list[_Words], Field(min_length=1, max_length=3)]


@dataclass(frozen=True)
class _Space:
    """The components of a space, by slot and name."""

    specs: Mapping[tuple[Slot, str], ComponentSpec]

    def of_idea(self, idea: Idea) -> str:
        """Return the component that has an idea, as text; empty if the space lacks it."""
        made = idea.component
        if made is not None and (made.slot, made.name) in self.specs:
            return str(made)
        return self.of_paper(idea.arxiv)

    def of_paper(self, paper: str | None) -> str:
        """Return the first component that was made from a paper, other than one of the catalogue; or ""."""
        for spec in self.specs.values():
            if paper is not None and spec.paper == paper and is_added(spec):
                return f"{spec.slot} {spec.name}"
        return ""


class Literature:
    """Knows the papers behind the components of a space, and looks for what would help a study.

    A brief is a function of the situation, the components, the library's passages, and of the model's answer if one
    is asked.

    Args:
        search: The search of a library of papers; without one only the built-in ideas are known.
        model: Whoever may put queries to the library in other words, once for each brief; never needed.
    """

    def __init__(self, search: Passages | None = None, *, model: LanguageModel | None = None) -> None:
        self._search, self._model = search, model

    def brief(self, components: Iterable[ComponentSpec], situation: Situation | None = None) -> Brief:
        """Return the citations of the components that have a paper, and what was found for a situation.

        Args:
            components: Those that the study may use.
            situation: Where it stands; without one nothing is looked for.
        """
        specs = list(components)
        citations = tuple(
            Citation(spec.paper, f"{spec.slot}:{spec.name}", spec.summary) for spec in specs if spec.paper is not None
        )
        if situation is None:
            return Brief(citations)
        space = _Space({(spec.slot, spec.name): spec for spec in specs})
        trouble: list[str] = []
        findings = tuple(self._findings(situation, space, trouble))
        return Brief(citations, findings, "; ".join(trouble))

    def _findings(self, situation: Situation, space: _Space, trouble: list[str]) -> Iterator[Finding]:
        """Return findings: for each query what could be tried at once and what the papers say; then what is lacking."""
        queries = queries_of(situation)
        tried = _choices(situation.trials)
        found: dict[Query, list[Idea]] = {query: _ideas_for(query) for query in queries}
        used: set[str] = set()

        def next_ideas(*, present: bool) -> list[Finding | None]:
            return [_next_idea(query, found[query], space, tried, used, present=present) for query in queries]

        here = next_ideas(present=True)
        quoted = []
        try:
            quoted = list(self._quotes([*self._asked(situation, queries), *queries], space))
        except NeuraMosaicError as error:  # a library that cannot be searched costs its passages, and no study
            trouble.append(str(error))
        for pair in zip_longest(here, quoted):
            yield from (finding for finding in pair if finding is not None)
        for pair in zip_longest(next_ideas(present=False), next_ideas(present=True)):
            yield from (finding for finding in pair if finding is not None)

    def _quotes(self, queries: Sequence[Query], space: _Space) -> Iterator[Finding]:
        """Return a passage of the library for each query, each paper once."""
        if self._search is None:
            return
        used: set[str] = set()
        for query in queries:
            for hit in self._search(query.words, MOST_HITS):
                paper = hit.passage.paper
                # A library may hold the ideas too, under ids of its own.
                is_idea = paper.rpartition(":")[2].startswith(ID_PREFIX)
                if is_idea or paper in used or hit.passage.kind != "text":
                    continue
                used.add(paper)
                text, title = _short(hit.passage.text), _short(hit.title, 80)
                yield Finding(query.symptom, title, text, paper, hit.passage.page, space.of_paper(paper))
                break

    def _asked(self, situation: Situation, queries: Sequence[Query]) -> list[Query]:
        """Return the queries that the model puts in its own words, if there are papers; none if it brings none."""
        if self._model is None or self._search is None or not self._search(queries[0].words, 1):
            return []
        done = [trial for trial in situation.trials if trial.val_loss is not None]
        variables = {
            "task": f"{situation.task}, sequences of {situation.sequence_length} tokens",
            "observed": "\n".join(f"- {query.symptom}" for query in queries),
            "measured": f"{len(done)} networks, {len(situation.trials) - len(done)} that failed",
        }
        name = f"{situation.study}.l{len(situation.trials)}"
        try:
            said = self._model.ask(
                PROMPT, variables, _Asked, purpose="literature queries", trial=name, occurrence=0, max_tokens=MAX_TOKENS
            )
        except (ModelError, BudgetSpentError):
            return []
        return [Query(words, words) for words in said.queries if words]


def _next_idea(
    query: Query,
    near: Sequence[Idea],
    space: _Space,
    tried: Mapping[tuple[Slot, str], list[Choice]],
    used: set[str],
    *,
    present: bool,
) -> Finding | None:
    """Return the nearest idea that is not `used`: one that the space has, what was not tried first; or one it lacks."""
    candidates = []
    for rank, idea in enumerate(near):
        component = space.of_idea(idea)
        if idea.name in used or bool(component) is not present or (not present and idea.slot not in _INVENTED):
            continue
        candidates.append(((_often_tried(idea.component, tried), rank), idea, component))
    if not candidates:
        return None
    _, idea, component = min(candidates, key=lambda item: item[0])
    used.add(idea.name)
    # What a part of the space is, the designer is told elsewhere: why it helps is what it lacks.
    text = idea.insight if present else idea.changes
    return Finding(query.symptom, idea.words, _short(text), idea.arxiv or idea.name, None, component)


def due(trials: Iterable[TrialRecord]) -> int:
    """Return after how many finished trials the brief that holds now was due."""
    finished = sum(trial.state.finished for trial in trials)
    return finished - finished % EVERY


def is_added(spec: ComponentSpec) -> bool:
    """Return whether a component was added to a workspace, and is not of the catalogue."""
    return spec.provenance is not Provenance.CATALOGUE


def papers_behind(architecture: Architecture, known: Catalogue) -> list[str]:
    """Return the papers of an architecture's components that are not of the catalogue, each once."""
    specs = [known.get(slot, choice.name) for slot, choice in _chosen(architecture)]
    return list(dict.fromkeys(spec.paper for spec in specs if spec.paper is not None and is_added(spec)))


@cache
def _known() -> tuple[dict[str, Idea], WordIndex]:
    known = ideas()
    return {f"{ID_PREFIX}{idea.name}": idea for idea in known}, WordIndex(as_papers(known))


def _ideas_for(query: Query) -> list[Idea]:
    """Return the ideas that answer a query, the nearest first."""
    by_id, index = _known()
    hits = index(query.words, MOST_HITS)
    found: dict[str, Idea] = {}
    for hit in hits:
        idea = by_id[hit.passage.paper]
        if hit.score < NEAR * hits[0].score or (query.slot is not None and idea.slot is not query.slot):
            continue
        made = idea.component
        if made is not None and f"{made.slot}:{made.name}" == query.without:
            continue
        found.setdefault(idea.name, idea)
    # Ideas that name the symptom itself come before those that share words with it.
    return sorted(
        found.values(), key=lambda idea: idea.helps.index(query.symptom) if query.symptom in idea.helps else 9
    )


def _choices(trials: Iterable[TrialRecord]) -> dict[tuple[Slot, str], list[Choice]]:
    """Return what trials had, by slot and name."""
    found: dict[tuple[Slot, str], list[Choice]] = {}
    for trial in trials:
        for slot, choice in _chosen(Architecture.from_json(trial.architecture)):
            found.setdefault((slot, choice.name), []).append(choice)
    return found


def _chosen(architecture: Architecture) -> list[tuple[Slot, Choice]]:
    """Return every choice of an architecture, with its slot."""
    found = [(Slot.POSITION, architecture.position), (Slot.RESIDUAL, architecture.residual)]
    for block in architecture.blocks:
        found += [(Slot.MIXER, block.mixer), (Slot.CHANNEL, block.channel), (Slot.NORM, block.norm)]
        if block.modulator is not None:
            found.append((Slot.MODULATOR, block.modulator))
    return found


def _often_tried(made: Realisation | None, tried: Mapping[tuple[Slot, str], list[Choice]]) -> int:
    """Return 2 if a component was tried at the settings of an idea, 1 if at others, 0 if it was not."""
    if made is None or (made.slot, made.name) not in tried:
        return 0
    wanted = made.settings.items()
    had = [choice.hyperparameters for choice in tried[made.slot, made.name]]
    return 2 if any(all(item.get(name) == value for name, value in wanted) for item in had) else 1


def _short(text: str, longest: int = LONGEST_QUOTE) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rpartition(" ")[0] + " …"
