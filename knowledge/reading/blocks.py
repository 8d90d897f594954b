"""From rows to headings and blocks: paragraphs, captions, tables, equations, footnotes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from knowledge.papers import Block, BlockKind
from knowledge.reading.headings import RUN_IN_ABSTRACT, Heading, Headings
from knowledge.reading.layout import Column, Row

CAPTION = re.compile(r"^(?:(?:Extended Data |Supplementary )?(?:Figure|Fig\.|Table|Tab\.|Algorithm|Listing))\s*"
                     r"[A-Z]?\.?\d{1,3}(?:\.\d+)?[a-z]?\s*(?P<mark>[.:|—\u2013-])?", re.IGNORECASE)  # fmt: skip
EQUATION_NUMBER = re.compile(r"\([A-Z]?\.?\d{1,3}(?:\.\d{1,2})?[a-z]?\)$")
OPERATORS = re.compile(r"[=≤≥<>∈∑∏∫√\u00d7⊙⊕⊗←→≈\u223c∝+/]")
BULLET = re.compile(r"^(?:[•▪■◦‣\u2013—\u2217*·-]|\(?(?:[ivx]{1,4}|[a-z]|\d{1,2})[).])\s")
ENDS = re.compile(r"[.?!:;][\"”\u2019)\]]*$")


@dataclass
class Draft:
    """A block as it grows.

    Attributes:
        kind: What it is.
        rows: Its rows.
        note: Whether it is a footnote.
    """

    kind: BlockKind
    rows: list[Row]
    note: bool = False
    open: bool = field(default=True)


@dataclass(frozen=True)
class Layout:
    """What rows are measured against.

    Attributes:
        body: Size of running text, points.
        leading: Usual distance of its lines, points.
        fonts: Fonts that running text uses.
    """

    body: float
    leading: float
    fonts: frozenset[str]


def layout_fonts(rows: Sequence[Row], body: float) -> frozenset[str]:
    """Return the fonts that running text uses."""
    counts: Counter[str] = Counter()
    for row in rows:
        if abs(row.size - body) < 0.6:
            counts[row.main.font] += row.letters
    return frozenset(font for font, count in counts.items() if count >= 0.02 * sum(counts.values()))


def assemble(rows: Sequence[Row], layout: Layout, headings: Headings) -> list[Heading | Draft]:
    """Return headings and drafts of blocks in reading order."""
    notes = _footnotes(rows, layout)
    items: list[Heading | Draft] = []
    waiting: list[Draft] = []
    heading_row: Row | None = None
    before: Row | None = None
    for row in rows:
        front = row.page == 1 and not headings.seen_abstract
        if id(row) in notes and not front:
            if waiting and waiting[-1].rows[-1].column == row.column and not _starts_note(row):
                waiting[-1].rows.append(row)
            else:
                waiting.append(Draft("text", [row], note=True))
            continue
        if row.letters <= 3 and row.size < 0.8 * layout.body:  # an index that found no home
            continue
        gap = _gap(before, row, layout)
        if heading_row is not None and headings.goes_on(row, heading_row, gap):
            last = items[-1]
            assert isinstance(last, Heading)
            items[-1] = Heading(last.number, f"{last.title} {row.text}", last.page)
            heading_row = before = row
            continue
        heading_row = None
        count = len(items)
        heading = headings.match(row, before, gap)
        if heading is not None:
            items.append(heading)
            heading_row = row
        else:
            if RUN_IN_ABSTRACT.match(row.text) and row.page == 1:
                items.append(Heading("", "Abstract", 1))
                headings.seen_abstract = True
            _place(items, row, before, gap, layout, front)
        if len(items) > count and waiting and waiting[0].rows[0].page < row.page:
            items[count:count] = waiting  # footnotes wait until the paragraph that the page's end cuts is over
            waiting = []
        before = row
    return _without_figure_text(_whole_tables([*items, *waiting], layout))


def _whole_tables(items: Sequence[Heading | Draft], layout: Layout) -> list[Heading | Draft]:
    """Join what was taken for formulas or stray words inside of a table with it."""
    joined: list[Heading | Draft] = []
    for item in items:
        last = joined[-1] if joined else None
        if isinstance(item, Draft) and isinstance(last, Draft) and _one_table(last, item, layout):
            joined[-1] = Draft("table", last.rows + item.rows)
        else:
            joined.append(item)
    return joined


def _one_table(first: Draft, second: Draft, layout: Layout) -> bool:
    end, start = first.rows[-1], second.rows[0]
    step = start.baseline - end.baseline
    if "table" not in (first.kind, second.kind) or end.column != start.column or not 0 <= step < 2.5 * layout.leading:
        return False
    other = first if second.kind == "table" else second
    return other.kind == "table" or (
        not other.note
        and other.kind in ("equation", "text")
        and all(
            row.letters < 60
            and prose_words(row) <= 3
            and not EQUATION_NUMBER.search(row.text)
            and not ENDS.search(row.text)
            for row in other.rows
        )
        and (other.kind == "text" or len(other.rows[0].segments()) >= 2 or abs(other.rows[0].size - layout.body) > 0.9)
    )


def _without_figure_text(items: Sequence[Heading | Draft]) -> list[Heading | Draft]:
    """Drop the labels inside of figures: short rows right above the caption of a figure."""
    kept: list[Heading | Draft] = []
    for index, item in enumerate(items):
        before = items[index - 1] if index else None
        after = items[index + 1] if index + 1 < len(items) else None
        labels = isinstance(item, Draft) and item.kind == "table" and _caption_of(after, item, "fig")
        if not (labels and not _caption_of(before, item, "tab")):
            kept.append(item)
    return kept


def _caption_of(other: Heading | Draft | None, item: Heading | Draft, of: str) -> bool:
    return (
        isinstance(other, Draft)
        and isinstance(item, Draft)
        and other.kind == "caption"
        and other.rows[0].page == item.rows[0].page
        and other.rows[0].text.lower().startswith(of)
    )


def _gap(before: Row | None, row: Row, layout: Layout) -> float:
    """Distance from the row before in units of leading; 9 at the head of a column."""
    if before is None or before.column != row.column or row.baseline <= before.baseline:
        return 9.0
    return (row.baseline - before.baseline) / layout.leading


def _place(items: list[Heading | Draft], row: Row, before: Row | None, gap: float, layout: Layout, front: bool) -> None:
    last = items[-1] if items and isinstance(items[-1], Draft) else None
    kind = "text" if front else _kind(row, before, gap, last, layout)
    if last is not None and last.kind == kind and _goes_on(last, row, before, gap, layout):
        last.rows.append(row)
        return
    if kind == "text" and (last is None or last.kind != "text"):
        earlier = _interrupted(items, row)
        if earlier is not None:
            earlier.rows.append(row)
            return
    items.append(Draft(kind, [row]))


def _interrupted(items: Sequence[Heading | Draft], row: Row) -> Draft | None:
    """The paragraph of the same page that a figure or table interrupted in mid-sentence and `row` goes on with."""
    for item in reversed(items):
        if isinstance(item, Heading):
            return None
        if item.kind == "equation":
            return None
        if item.kind == "text" and not item.note:
            end = item.rows[-1]
            unfinished = not ENDS.search(end.text) and row.text[:1].islower()
            return item if unfinished and 0 <= row.page - end.page <= 1 and end.column != row.column else None
    return None


def _kind(row: Row, before: Row | None, gap: float, last: Draft | None, layout: Layout) -> BlockKind:
    match = CAPTION.match(row.text)
    if match and (gap > 1.15 or (before is not None and abs(before.size - row.size) > 0.4) or row.main.bold):
        if match["mark"] or row.main.bold or not re.match(r"\s*[a-z]", row.text[match.end() :]):
            return "caption"
    if last is not None and last.kind == "caption" and _same_caption(last, row, gap, layout):
        return "caption"
    if _is_equation(row, gap, last, layout):
        return "equation"
    if _is_cells(row, last, layout):
        return "table"
    return "text"


def _same_caption(last: Draft, row: Row, gap: float, layout: Layout) -> bool:
    end = last.rows[-1]
    first = last.rows[0]
    if row.column != end.column:
        near = row.page == end.page and 0 < row.baseline - end.baseline < 1.3 * layout.leading
        return near and abs(row.size - end.size) < 0.3 and not ENDS.search(end.text)
    if abs(row.size - first.size) > 0.45 or gap > 1.22:
        return False
    steps = [after.baseline - start.baseline for start, after in pairwise(last.rows)]
    usual = steps[0] if steps else layout.leading
    return row.baseline - end.baseline <= 1.12 * max(usual, 0.9 * layout.leading) and len(row.segments()) <= 2


def prose_words(row: Row) -> int:
    """Count words of running text in a row, function names aside."""
    words = re.findall(
        r"(?<![\w\\])[A-Za-z][a-z]{3,}(?![\w(])", " ".join(p.text for p in row.pieces if not p.math > 0.6 * p.letters)
    )
    return sum(word.lower() not in _NAMES for word in words)


_NAMES = frozenset(
    "softmax sigmoid tanh relu gelu silu swish attention concat layernorm head norm conv diag where argmax argmin "
    "linear retention dropout embed loss softplus otherwise with mean scale mask rank trace model heads".split()
)


def _is_equation(row: Row, gap: float, last: Draft | None, layout: Layout) -> bool:
    width = row.column.x1 - row.column.x0
    apart = row.x0 - row.column.x0 > 0.03 * width
    numbered = bool(EQUATION_NUMBER.search(row.text)) and row.x1 > row.column.x1 - 0.08 * width
    words = prose_words(row)
    after_equation = last is not None and last.kind == "equation"
    after_table = last is not None and last.kind in ("table", "caption")
    if len(row.segments()) >= 3 and not numbered and (words or after_table):
        return False
    if re.fullmatch(r"\([A-Z]?\.?\d{1,3}[a-z]?\)", row.text):
        return after_equation
    if row.top_size > 1.4 * layout.body and row.math_share < 0.5:
        return False
    if numbered and words <= 5 and (row.math_share > 0.12 or OPERATORS.search(row.text)):
        return len(row.segments()) >= 2 or apart or row.math_share > 0.3
    if row.math_share < 0.35 or words > 3:
        return False
    if apart and (gap > 1.12 or after_equation):
        return bool(OPERATORS.search(row.text)) or row.math_share > 0.5
    return after_equation and words == 0 and row.letters < 60 and gap < 2.5


def _is_cells(row: Row, last: Draft | None, layout: Layout) -> bool:
    segments = row.segments()
    width = row.column.x1 - row.column.x0
    after_table = last is not None and last.kind in ("table", "caption")
    if len(segments) >= 3 and max(len(segment) for segment in segments) < 60:
        return True
    numbers = len(re.findall(r"(?<![A-Za-z])[-+±]?\d+(?:\.\d+)?[%kMB]?(?![A-Za-z])", row.text))
    words = len(re.findall(r"[A-Za-z]{3,}", row.text))
    if len(segments) == 2 and row.letters < 70 and not ENDS.search(row.text) and _widest_gap(row) > 3 * row.size:
        return True
    if len(segments) == 2 and (numbers >= words or row.size < layout.body - 0.9) and row.letters < 60:
        return True
    odd = abs(row.size - layout.body) > 0.9 or row.main.font not in layout.fonts
    if odd and row.x1 - row.x0 < 0.6 * width and row.letters < 45 and not ENDS.search(row.text) and words <= 6:
        return True
    return after_table and row.letters < 30 and numbers > words and row.x1 - row.x0 < 0.9 * width


def _widest_gap(row: Row) -> float:
    return max((after.x0 - before.x1 for before, after in pairwise(row.pieces)), default=0.0)


def _goes_on(last: Draft, row: Row, before: Row | None, gap: float, layout: Layout) -> bool:
    """Whether `row` belongs to the block of its kind before it."""
    if last.kind == "caption":
        return not (CAPTION.match(row.text) and gap > 1.15)
    if last.kind == "table":
        return row.page == last.rows[-1].page
    if last.kind == "equation":
        return row.column == last.rows[-1].column and gap < 3.2
    end = last.rows[-1]
    if last.note or before is None or end is not before:
        return False
    if abs(row.size - end.size) > 0.9 and row.letters > 8 and end.letters > 8:
        return False
    if row.column != end.column:
        return 0 <= row.page - end.page <= 1 and (not ENDS.search(end.text) or row.text[:1].islower())
    if gap > 1.32:
        return gap < 1.7 and not ENDS.search(end.text) and row.text[:1].islower()
    if BULLET.match(row.text) and ENDS.search(end.text):
        return False
    indented = 5 < row.x0 - row.column.x0 < 40 and row.x0 - end.x0 > 4
    return not (indented and ENDS.search(end.text))


def _starts_note(row: Row) -> bool:
    return row.pieces[0].raised or bool(re.match(r"^(?:[*\u2217†‡§¶]|\d{1,2}(?=[A-Zh\s]))", row.text))


def _footnotes(rows: Sequence[Row], layout: Layout) -> set[int]:
    """Ids of the rows that are footnotes: small type at the foot of a column, from a row that begins with a mark."""
    found: set[int] = set()
    columns: dict[Column, list[Row]] = {}
    for row in rows:
        columns.setdefault(row.column, []).append(row)
    for column in columns.values():
        tail: list[Row] = []
        for row in reversed(column):
            if row.size > layout.body - 0.7 or CAPTION.match(row.text):
                break
            tail.append(row)
        tail.reverse()
        start = next((index for index, row in enumerate(tail) if _starts_note(row)), None)
        if start is not None and tail[start].letters > 8 and tail[start].x0 - tail[start].column.x0 < 40:
            found.update(id(row) for row in tail[start:])
    return found


def words_of(rows: Sequence[Row]) -> Counter[str]:
    """Count the words of a paper that no line end cuts, to tell "multi-head" from "atten-tion"."""
    counts: Counter[str] = Counter()
    for row in rows:
        for word in re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*(?=[\s.,;:)])", row.text.lower()):
            counts[word] += 1
            parts = word.split("-")
            counts.update(f"{first}-{second}" for first, second in pairwise(parts) if len(parts) > 2)
    return counts


def join_rows(texts: Sequence[str], known: Counter[str]) -> str:
    """Join the lines of a paragraph; hyphens at line ends go where the paper knows the word without one."""
    joined = ""
    for text in texts:
        joined = join_two(joined, text, known)
    return joined


def join_two(first: str, second: str, known: Counter[str]) -> str:
    """Join two lines."""
    cut = re.search(r"([A-Za-z]+)[-\u2010]$", first)
    start = re.match(r"[A-Za-z]+", second)
    if not cut or not start:
        return f"{first} {second}".strip()
    ahead, behind = cut[1].lower(), start[0].lower()
    whole, hyphened = ahead + behind, f"{ahead}-{behind}"
    two_words = len(ahead) >= 4 and len(behind) >= 5 and known[ahead] > 0 and known[behind] > 0 and behind != "fully"
    keep = known[hyphened] > known[whole] or (two_words and not known[whole]) or not second[0].islower()
    return first + second if keep else first[:-1] + second


def finish(draft: Draft, known: Counter[str]) -> list[Block]:
    """Turn a draft into blocks, one a page."""
    by_page: dict[int, list[Row]] = {}
    for row in draft.rows:
        by_page.setdefault(row.page, []).append(row)
    blocks = []
    for page, rows in by_page.items():
        if draft.kind == "table":
            text = "\n".join(" | ".join(row.segments()) for row in rows)
        elif draft.kind == "equation":
            text = "\n".join(row.text for row in rows)
        else:
            text = join_rows([row.text for row in rows], known)
        blocks.append(Block(text, page, draft.kind))
    return blocks
