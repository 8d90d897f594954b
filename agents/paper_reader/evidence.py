"""What of a paper is put before the model: numbered lines, each a quote of one passage.

The model answers with the numbers of lines, so that a quote is what the paper says and not what the model remembers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.paper_reader.findings import Evidence
from agents.paper_reader.plain import canonical, plain, quotable
from knowledge.papers import Document, Hit, Paper, Passage

#: Longest line that is shown, in characters.
LONGEST_LINE = 320
#: Longest passage with equations that is shown.
LONGEST_PASSAGE = 1400
#: Longest quote that is kept.
LONGEST_QUOTE = 400
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\[])")
_ABSTRACT = re.compile(r"\babstract\b", re.IGNORECASE)
_PROPOSES = re.compile(
    r"\b(we (?:\w+ )?(?:propose|introduce|present|develop|describe|replace|show)|is (?:proposed|introduced)|novel"
    r"|this (?:paper|work)|our (?:\w+ )?(?:layer|method|model|architecture|contribution))",
    re.IGNORECASE,
)
#: Sections that say how a thing is computed, and those that say something else.
_METHOD = re.compile(
    r"\b(method|approach|architecture|model|layer|formulation|mechanism|form|definition|recurren\w*|parallel|chunk\w*"
    r"|attention|network|unit|block|norm\w*)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(related|background|preliminar\w*|experiment\w*|results?|ablation\w*|proofs?|limitations?|conclusion\w*"
    r"|acknowledg\w*|broader|impact|hyper-?parameters?|training)\b",
    re.IGNORECASE,
)
_EQUALS = re.compile(r"[=←:]=?")
#: Weight of a rank: a passage found first by one query is as good as one found later by several.
_RANK = 10


class Search(Protocol):
    """How passages are found: `Library.search`."""

    def __call__(self, text: str, limit: int = ..., *, papers: Sequence[str] | None = ...) -> Sequence[Hit]:
        """Return the nearest passages of some papers, the nearest first."""
        ...


@dataclass(frozen=True)
class Line:
    """A line that is shown, and where it stands.

    Attributes:
        text: What is shown: harmless, on one line.
        quote: What stands there.
        passage: The passage.
    """

    text: str
    quote: str
    passage: Passage

    def evidence(self) -> Evidence:
        """Return it as the support of a field."""
        return Evidence(self.passage.page, self.passage.id, plain(self.quote, LONGEST_QUOTE))


def numbered(lines: Sequence[Line], most: int | None = None) -> str:
    """Return lines as they are shown: `[1] ...`, from 1, each on a line of its own.

    Args:
        lines: The lines.
        most: Greatest number of characters of each, those around its first equation; by default all.
    """
    return "\n".join(f"[{number}] {_around(line.text, most)}" for number, line in enumerate(lines, start=1))


class Shelf:
    """The passages of one paper.

    Args:
        paper: What is known of the paper.
        document: What was read of its pages.
        passages: Its passages.
        search: How they are found by what they say.
    """

    def __init__(self, paper: Paper, document: Document, passages: Sequence[Passage], search: Search) -> None:
        self.paper, self.document = paper, document
        self.passages = tuple(passages)
        self._by_id = {passage.id: passage for passage in self.passages}
        self._search = search

    @property
    def title(self) -> str:
        """The title, harmless."""
        return quotable(self.paper.title or self.document.title, 250)

    def abstract(self) -> str:
        """Return the abstract, or what stands on the first page, as read."""
        first = [passage.text for passage in self._opening()]
        return self.paper.abstract or " ".join(first)

    def headings(self, most: int = 500) -> str:
        """Return the headings of its sections on one line."""
        titles = dict.fromkeys(quotable(section.title, 80) for section in self.document.sections if section.title)
        return plain("; ".join(titles), most)

    def introduction(self, most: int = 12) -> list[Line]:
        """Return the sentences that say what the paper is about: of its abstract, and those that claim something."""
        lines = [line for passage in self._opening() for line in _lines(passage)][: most - 4]
        claims = self.near(("we propose a new layer", "our contribution", "we introduce"), 6)
        lines += [line for passage in claims for line in _lines(passage) if _PROPOSES.search(line.quote)]
        return _each_once(lines)[:most]

    def near(self, queries: Iterable[str], most: int) -> list[Passage]:
        """Return the passages of this paper that are nearest to some queries together."""
        ranks: dict[str, float] = {}
        for query in queries:
            found = [hit.passage.id for hit in self._search(query, most * 2, papers=(self.paper.id,))]
            for rank, name in enumerate(name for name in found if name in self._by_id):
                ranks[name] = ranks.get(name, 0.0) + 1 / (_RANK + rank)
        ordered = sorted(ranks, key=lambda name: (-ranks[name], self._by_id[name].number))
        return [self._by_id[name] for name in ordered[:most]]

    def computing(self, queries: Sequence[str], most: int = 8) -> list[Line]:
        """Return the passages that may say how something is computed, each as one line, in reading order."""
        found = self.near(queries, 2 * most)
        weight = {passage.id: 1.0 - place / (2 * most) for place, passage in enumerate(found)}
        pool = {passage.id: passage for passage in (*found, *(item for item in self.passages if _is_equation(item)))}

        def worth(passage: Passage) -> float:
            method, elsewhere = _METHOD.search(passage.section), _ELSEWHERE.search(passage.section)
            place = 0.4 * (method is not None) - 0.6 * (elsewhere is not None)
            return weight.get(passage.id, 0.0) + 0.6 * _is_equation(passage) + place

        stating = [passage for passage in pool.values() if _EQUALS.search(passage.text)]
        best = sorted(stating, key=lambda passage: (-worth(passage), passage.number))[:most]
        best.sort(key=lambda passage: passage.number)
        return [Line(_around(quotable(passage.text), LONGEST_PASSAGE), passage.text, passage) for passage in best]

    def sentences(self, queries: Sequence[str], pattern: re.Pattern[str], most: int) -> list[Line]:
        """Return sentences that a pattern finds: of the passages nearest to some queries, then of all others."""
        near = self.near(queries, most)
        others = [passage for passage in self.passages if passage not in near]
        lines = [line for passage in (*near, *others) for line in _lines(passage) if pattern.search(line.quote)]
        return _each_once(lines)[:most]

    def _opening(self) -> list[Passage]:
        """Return the passages of the abstract; of a paper without one, the first of its first page."""
        marked = [passage for passage in self.passages if _ABSTRACT.search(passage.section)]
        if marked:
            return marked
        return [passage for passage in self.passages if passage.page == 1 and not _is_equation(passage)][:3]


def _around(text: str, most: int | None) -> str:
    if most is None or len(text) <= most:
        return text
    found = _EQUALS.search(text)
    begin = min(max(0, (found.start() if found else 0) - most // 2), len(text) - most)
    cut = text[begin : begin + most]
    return plain(cut.partition(" ")[2] if begin else cut, most)


def _is_equation(passage: Passage) -> bool:
    return passage.kind == "equation"


def _lines(passage: Passage) -> list[Line]:
    found = []
    for sentence in _SENTENCE.split(plain(passage.text)):
        if len(canonical(sentence)) >= 12:
            found.append(Line(quotable(sentence, LONGEST_LINE), sentence[:LONGEST_LINE], passage))
    return found


def _each_once(lines: Iterable[Line]) -> list[Line]:
    once: dict[str, Line] = {}
    for line in lines:
        once.setdefault(canonical(line.quote), line)
    return list(once.values())
