"""What a paper's component is to what is known: by its paper, by its name, by the words of its description."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agents.paper_reader.findings import Nearest
from agents.paper_reader.plain import canonical
from neuramosaic.components.equations import equations_of
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, CostClass
from neuramosaic.verify.ladder import HARNESS_SLOTS

#: Characters of a text that are embedded; an embedder reads no more.
_EMBEDDED = 2000
_WORD = re.compile(r"[a-z][a-z]+")
_ARXIV = re.compile(r"\b\d{4}\.\d{4,5}\b")
#: Behind these words the docstring of a family lists its points: "RetNet (2307.08621)".
_FAMILY = "Corners of the family:"
_CORNER = re.compile(r"([A-Za-z][\w -]*?) \((?:arXiv )?(\d{4}\.\d{4,5})\)")
_STOP = frozenset(
    "the and for with that this are can its from into over than our which these those such has have was were been not"
    " all any each per via use uses used using based new novel model models neural network networks layer layers deep"
    " learning paper propose proposed show results also more most both one two between while only their they".split()
)


class KnownIdea(Protocol):
    """A built-in idea of the knowledge base, as far as papers are compared with it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def arxiv(self) -> str | None:
        """Id of its paper."""

    @property
    def slot(self) -> Any:
        """Slot that it fills."""

    @property
    def component(self) -> Any:
        """Component of the catalogue that has it, with its name, or None."""


@dataclass(frozen=True)
class Known:
    """Something that a paper may describe once more.

    Attributes:
        kind: Where it is known.
        slot: Its slot.
        name: Its name.
        component: Name of the component that has it, or None.
        summary: What it is, in a line.
        papers: arXiv ids of the papers that describe it, each with what it calls it.
        aliases: Other names, canonical.
        words: Of its description.
        equations: What it computes, a line each.
        cost: Its cost class, of a component.
    """

    kind: Literal["component", "idea"]
    slot: str
    name: str
    component: str | None
    summary: str
    papers: dict[str, str]
    aliases: frozenset[str]
    words: Counter[str]
    equations: tuple[str, ...] = ()
    cost: CostClass | None = None


class TextEmbedder(Protocol):
    """Turns texts into vectors of length 1: an embedder of the knowledge base."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, shape `(n, dimension)`."""


class Kinship:
    """The components and ideas that a paper's component is compared with.

    Args:
        known: The components that exist.
        ideas: The built-in ideas.
        embedder: Says how near two texts are in meaning; without it, their words decide alone.
    """

    def __init__(self, known: Catalogue, ideas: Iterable[KnownIdea] = (), embedder: TextEmbedder | None = None) -> None:
        self._embedder = embedder
        self._vectors: NDArray[np.float32] | None = None
        parts = [_component(spec) for spec in known.specs if spec.slot in HARNESS_SLOTS]
        self.known: tuple[Known, ...] = (*parts, *(_idea(idea) for idea in ideas))
        documents = Counter(word for item in self.known for word in set(item.words))
        self._rarity = {word: math.log((1 + len(self.known)) / count) for word, count in documents.items()}

    def of_paper(self, arxiv_id: str | None) -> list[Known]:
        """Return what is known to come from a paper, components first."""
        return [item for item in self.known if arxiv_id is not None and arxiv_id in item.papers]

    def of_name(self, name: str, slot: str = "") -> list[Known]:
        """Return what has a name, whatever way it is spelt."""
        wanted = canonical(name)
        return [item for item in self.known if wanted and wanted in item.aliases and slot in ("", item.slot)]

    def nearest(self, text: str, slot: str = "", most: int = 5) -> list[tuple[Known, float]]:
        """Return what is nearest to a text by its words, with a similarity in [0, 1], the nearest first."""
        words, meant = bag(text), self._meant(text)
        measured = [
            (item, (self._cosine(words, item.words) + meant[place]) / 2)
            for place, item in enumerate(self.known)
            if slot in ("", item.slot)
        ]
        measured.sort(key=lambda pair: (-pair[1], pair[0].kind, pair[0].name))
        return [pair for pair in measured[:most] if pair[1] > 0]

    def _meant(self, text: str) -> list[float]:
        """Return how near each known thing is to a text in meaning, in [0, 1]; 0 without an embedder."""
        if self._embedder is None or not self.known:
            return [0.0] * len(self.known)
        if self._vectors is None:
            described = [f"{item.name.replace('_', ' ')}: {item.summary}" for item in self.known]
            self._vectors = self._embedder.embed(described)
        near = self._vectors @ self._embedder.embed([text[:_EMBEDDED]])[0]
        return [float(value) for value in np.clip(near, 0.0, 1.0)]

    def _cosine(self, first: Counter[str], second: Counter[str]) -> float:
        def weights(words: Counter[str]) -> dict[str, float]:
            known = {word: count for word, count in words.items() if word in self._rarity}
            return {word: (1 + math.log(count)) * self._rarity[word] for word, count in known.items()}

        a, b = weights(first), weights(second)
        both = sum(a[word] * b[word] for word in a.keys() & b.keys())
        size = math.hypot(*a.values()) * math.hypot(*b.values())
        return both / size if size else 0.0


def bag(text: str) -> Counter[str]:
    """Return the words of a text that say something, each with how often it stands there."""
    words = (word.rstrip("s") for word in _WORD.findall(text.lower()))
    return Counter(word for word in words if len(word) > 2 and word not in _STOP)


def as_nearest(item: Known, similarity: float, why: str = "") -> Nearest:
    """Return it as a part of the findings."""
    return Nearest(item.kind, item.slot, item.name, round(similarity, 3), why or item.summary)


def _component(spec: ComponentSpec) -> Known:
    text = _docstring(spec)
    papers = dict.fromkeys([*([spec.paper] if spec.paper else []), *_ARXIV.findall(text)], spec.name)
    papers |= {number: name for name, number in _CORNER.findall(text.partition(_FAMILY)[2])}
    names = {spec.name, spec.class_name, *papers.values()}
    return Known(
        kind="component",
        slot=str(spec.slot),
        name=spec.name,
        component=spec.name,
        summary=spec.summary,
        papers=papers,
        aliases=frozenset(filter(None, map(canonical, names))),
        words=bag(f"{spec.name.replace('_', ' ')} {spec.summary} {text}"),
        equations=tuple(equations_of(spec)),
        cost=spec.cost,
    )


def _idea(idea: KnownIdea) -> Known:
    facts = {name: _flat(getattr(idea, name, "")) for name in ("changes", "equations", "helps", "costs")}
    component = idea.component
    return Known(
        kind="idea",
        slot=str(idea.slot or ""),
        name=idea.name,
        component=str(getattr(component, "name", component)) if component else None,
        summary=facts["changes"],
        papers={idea.arxiv: idea.name} if idea.arxiv else {},
        aliases=frozenset(filter(None, {canonical(idea.name), *map(canonical, getattr(idea, "aliases", ()))})),
        words=bag(f"{idea.name.replace('_', ' ')} {' '.join(facts.values())}"),
        equations=tuple(_listed(getattr(idea, "equations", ()))),
    )


def _docstring(spec: ComponentSpec) -> str:
    try:
        return " ".join((ast.get_docstring(ast.parse(spec.source)) or "").split())
    except (SyntaxError, ValueError):
        return ""


def _listed(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in value] if isinstance(value, Iterable) else []


def _flat(value: object) -> str:
    return " ".join(_listed(value))
