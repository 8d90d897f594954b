"""From a document to the passages that are searched and cited."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from knowledge.papers import Block, BlockKind, Document, Passage, Section

LEAST_WORDS, MOST_WORDS = 150, 220
"""Words of a passage of running text; the last of a section may have fewer."""

OVERLAP_WORDS = 45
"""Words up to which the last one or two sentences of a passage begin the next one."""

_ABBREVIATIONS = re.compile(
    r"(?:\b(?:e\.g|i\.e|et al|etc|cf|vs|viz|resp|approx|w\.r\.t|s\.t|Fig|Figs|Eq|Eqs|Eqn|Sec|Secs|Sect|Tab|Tabs|Alg|"
    r"App|Thm|Prop|Lem|Def|Ref|Refs|No|Nos|Vol|pp|Dr|Prof|Mr|Ms|St|Inc|Ltd|Jr|Sr|arXiv|a\.k\.a|i\.i\.d)|\b[A-Z]|\b\d)\.$"
)
_END = re.compile(r"(?<=[.!?])[\"”\u2019)\]]*\s+(?=[\"“\u2018(\[]?[A-Z0-9•\\]|[^\x00-\x7f])")


@dataclass(frozen=True)
class _Unit:
    """A sentence, or an equation with its line breaks, on the page where it begins."""

    text: str
    page: int
    kind: BlockKind
    words: int


def passages(document: Document, paper_id: str) -> tuple[Passage, ...]:
    """Cut a document into passages.

    Running text is cut at ends of sentences into passages of 150 to 220 words, never across sections; the next one
    begins with the last sentence or two of the one before. An equation stays with the sentence before and after it.
    Captions and tables stand by themselves. The same document always gives the same passages with the same numbers.

    Args:
        document: What was read of the paper.
        paper_id: Id of the paper.
    """
    found: list[Passage] = []
    for section in document.sections:
        heading = f"{section.number} {section.title}".strip()
        for units in _groups(section):
            kind = _kind(units)
            text = "\n".join(unit.text for unit in units) if kind == "table" else _join(units)
            if kind != "table" or len(re.findall(r"\w+", text)) >= 4:
                found.append(Passage(paper_id, len(found), heading, units[0].page, text, kind))
    return tuple(found)


def _kind(units: Sequence[_Unit]) -> BlockKind:
    """What a passage is: running text with an equation in it counts as an equation when that is most of it."""
    kinds = {unit.kind for unit in units}
    if len(kinds) == 1:
        return units[0].kind
    equations = sum(unit.words for unit in units if unit.kind == "equation")
    return "equation" if 2 * equations > sum(unit.words for unit in units) else "text"


def _join(units: Sequence[_Unit]) -> str:
    """Sentences in one line, equations on lines of their own."""
    joined = units[0].text
    for before, unit in pairwise(units):
        joined += ("\n" if "equation" in (before.kind, unit.kind) else " ") + unit.text
    return joined


def _groups(section: Section) -> Iterator[list[_Unit]]:
    """The units of each passage of a section: those of running text first interrupted by no float, floats after."""
    running = [block for block in section.blocks if block.kind in ("text", "equation")]
    floats = [block for block in section.blocks if block.kind in ("caption", "table")]
    yield from _running(list(_units(running)))
    for block in floats:
        yield from _float(block)


def _float(block: Block) -> Iterator[list[_Unit]]:
    """A caption or table by itself, a long one in parts."""
    lines = block.text.split("\n") if block.kind == "table" else sentences(block.text)
    part: list[_Unit] = []
    for line in (piece for text in lines for piece in _short(text)):
        unit = _Unit(line, block.page, block.kind, len(line.split()))
        if part and sum(other.words for other in part) + unit.words > MOST_WORDS:
            yield part
            part = []
        part.append(unit)
    if part:
        yield part


def _units(blocks: Sequence[Block]) -> Iterator[_Unit]:
    """Sentences and equations in order; a sentence that a page's end or an equation cuts is not joined over it."""
    held, page = "", 0
    for block in blocks:
        if block.kind == "equation":
            yield from (_Unit(text, page, "text", len(text.split())) for text in sentences(held))
            held = ""
            yield _Unit(block.text, block.page, "equation", len(block.text.split()))
            continue
        text = block.text
        if held:  # the sentence that the end of the last block left open
            first, *rest = sentences(text) or [""]
            if re.match(r"[a-z(\[]|\d", first) and page <= block.page <= page + 1:
                yield from (
                    _Unit(piece, page, "text", len(piece.split()))
                    for whole in sentences(f"{held} {first}")
                    for piece in _short(whole)
                )
                text = " ".join(rest)
            else:
                yield from (_Unit(piece, page, "text", len(piece.split())) for piece in _short(held))
            held = ""
        parts = [piece for whole in sentences(text) for piece in _short(whole)]
        page = block.page
        if parts and not re.search(r"[.!?:;][\"”\u2019)\]]*$", parts[-1]):
            held = parts.pop()
        yield from (_Unit(piece, block.page, "text", len(piece.split())) for piece in parts)
    yield from (_Unit(piece, page, "text", len(piece.split())) for piece in _short(held))


def _short(text: str) -> Iterator[str]:
    """The text, in parts if it has more words than a passage may have."""
    words = text.split(" ")
    for start in range(0, len(words), MOST_WORDS):
        part = " ".join(words[start : start + MOST_WORDS]).strip()
        if part:
            yield part


def _running(units: list[_Unit]) -> Iterator[list[_Unit]]:
    start = 0
    while start < len(units):
        end, words = start, 0
        while end < len(units) and (end == start or words + units[end].words <= MOST_WORDS):
            words += units[end].words
            end += 1
            if words >= LEAST_WORDS and _may_end(units, end):
                break
        while end > start + 1 and end < len(units) and not _may_end(units, end):
            end -= 1  # give back what belongs with an equation that does not fit
        rest = sum(unit.words for unit in units[end:])
        if end < len(units) and words + rest <= MOST_WORDS + 15:  # no passage of a few words at a section's end
            end = len(units)
        yield units[start:end]
        if end >= len(units):
            return
        start = max(_overlap(units, start, end), start + 1)


def _may_end(units: Sequence[_Unit], end: int) -> bool:
    """Whether a passage may end before unit `end`: not between an equation and its neighbours."""
    return end >= len(units) or (units[end - 1].kind != "equation" and units[end].kind != "equation")


def _overlap(units: Sequence[_Unit], start: int, end: int) -> int:
    """Where the next passage begins: one or two sentences back, if they are short."""
    begin, words = end, 0
    while begin > start + 1 and end - begin < 2:
        unit = units[begin - 1]
        if unit.kind == "equation" or words + unit.words > OVERLAP_WORDS:
            break
        words += unit.words
        begin -= 1
    return begin


def sentences(text: str) -> list[str]:
    """Cut a text into sentences; abbreviations such as "et al." and "Fig." end none."""
    found: list[str] = []
    begin = 0
    for match in _END.finditer(text):
        piece = text[begin : match.start()]
        if _ABBREVIATIONS.search(piece):
            continue
        found.append(text[begin : match.end()].strip())
        begin = match.end()
    rest = text[begin:].strip()
    return [*found, rest] if rest else found
