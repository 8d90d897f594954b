"""From pieces of text to rows in reading order: columns, what runs across them, and what belongs to the page alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from knowledge.reading.page_text import PageText, Piece

LONG = 20
"""Letters from which a piece counts as running text when columns are looked for."""


@dataclass(frozen=True)
class Column:
    """A column of a page, or the whole width.

    Attributes:
        page: Its page, from 1.
        index: 0 left or only one, 1 right, 2 across both.
        x0: Its left edge, points.
        x1: Its right edge, points.
    """

    page: int
    index: int
    x0: float
    x1: float


@dataclass(frozen=True)
class Row:
    """What stands on one line of a column.

    Attributes:
        pieces: From left to right.
        column: Where it stands.
    """

    pieces: tuple[Piece, ...]
    column: Column

    @property
    def page(self) -> int:
        """Its page, from 1."""
        return self.column.page

    @property
    def main(self) -> Piece:
        """The piece with the most letters."""
        return max(self.pieces, key=lambda piece: piece.letters)

    @property
    def x0(self) -> float:
        """Its left edge, points."""
        return min(piece.x0 for piece in self.pieces)

    @property
    def x1(self) -> float:
        """Its right edge, points."""
        return max(piece.x1 for piece in self.pieces)

    @property
    def baseline(self) -> float:
        """Of its main piece, points from the page's top."""
        return self.main.baseline

    @property
    def size(self) -> float:
        """Of its main type, points."""
        return self.main.size

    @property
    def top_size(self) -> float:
        """Of its largest letters, points."""
        return max(piece.top_size for piece in self.pieces)

    @property
    def least_size(self) -> float:
        """Of its smallest letters, points."""
        return min(piece.least_size for piece in self.pieces)

    @property
    def bold(self) -> bool:
        """Whether nearly all of it is."""
        return all(piece.bold for piece in self.pieces if piece.letters > 1) and any(p.bold for p in self.pieces)

    @property
    def italic(self) -> bool:
        """Whether nearly all of it is, a number before it aside."""
        return self.main.italic

    @property
    def letters(self) -> int:
        """How many signs it has, spaces left out."""
        return sum(piece.letters for piece in self.pieces)

    @property
    def math_share(self) -> float:
        """Share of its letters that stand in a font for formulas."""
        return sum(piece.math for piece in self.pieces) / max(1, self.letters)

    @property
    def text(self) -> str:
        """Its text; pieces that stand apart are joined by a space."""
        parts = [self.pieces[0].text]
        for before, piece in pairwise(self.pieces):
            parts.append((" " if piece.x0 - before.x1 > 0.12 * piece.top_size else "") + piece.text)
        return re.sub(r"\s+", " ", "".join(parts)).strip()

    def segments(self) -> list[str]:
        """Its text, cut where more than a word's space is left free."""
        cuts = [self.pieces[0].text]
        for before, piece in pairwise(self.pieces):
            if piece.x0 - before.x1 > 1.1 * self.size:
                cuts.append(piece.text)
            else:
                cuts[-1] += piece.text
        return cuts


def body_size(pages: Iterable[PageText]) -> float:
    """Return the size of type, in points, that most letters have."""
    counts: Counter[float] = Counter()
    for page in pages:
        for piece in page.pieces:
            if piece.letters >= LONG and piece.upright:
                counts[round(piece.size * 2) / 2] += piece.letters
    return counts.most_common(1)[0][0] if counts else 10.0


def rows_of_page(page: PageText, pieces: Sequence[Piece], body: float) -> list[Row]:
    """Return the rows of a page in reading order.

    Args:
        page: The page.
        pieces: Those of its pieces that are text of the paper.
        body: Size of running text, points.
    """
    if not pieces:
        return []
    gutter = _gutter(page, pieces)
    if gutter is None:
        return _one_column(page, pieces, body)
    left, right, across = _split(pieces, gutter)
    left, right, across = _wide_floats(left, right, across, body)
    full = _rows(across, Column(page.number, 2, *_edges(pieces)), body)
    sides = [
        _rows(side, Column(page.number, index, *_edges(side)), body) if side else []
        for index, side in enumerate((left, right))
    ]
    ordered: list[Row] = []
    for row in full:  # what stands above a row that runs across both columns is read before it
        for side in sides:
            ordered += [other for other in side if other.baseline < row.baseline]
        sides = [[other for other in side if other.baseline >= row.baseline] for side in sides]
        ordered.append(row)
    return ordered + sides[0] + sides[1]


CAPTION_START = re.compile(r"^(?:figure|fig\.|table|algorithm)\s*\d{1,3}\s*[:.]", re.IGNORECASE)


def _one_column(page: PageText, pieces: Sequence[Piece], body: float) -> list[Row]:
    """The rows of a page of one column; a figure that text runs around is read where it ends."""
    edges = _edges(pieces)
    rest = list(pieces)
    insets: list[list[Piece]] = []
    for piece in pieces:
        if CAPTION_START.match(piece.text) and piece in rest:
            inset = _inset(piece, rest, edges)
            if inset:
                taken = set(inset)
                rest = [other for other in rest if other not in taken]
                insets.append(inset)
    rows = _rows(rest, Column(page.number, 0, *edges), body)
    for number, inset in enumerate(insets):
        column = Column(page.number, 3 + number, min(p.x0 for p in inset), max(p.x1 for p in inset))
        end = max(piece.baseline for piece in inset)
        place = next((index for index, row in enumerate(rows) if row.baseline > end), len(rows))
        rows[place:place] = _rows(inset, column, body)
    return rows


def _inset(caption: Piece, pieces: Sequence[Piece], edges: tuple[float, float]) -> list[Piece]:
    """The pieces of a figure or table that stands beside running text, by its caption; empty if none stands beside."""
    block = [piece for piece in pieces if piece.block == caption.block]
    x0, x1 = min(p.x0 for p in block) - 6, max(p.x1 for p in block) + 6
    top, end = min(p.y0 for p in block), max(p.y1 for p in block)
    if x1 - x0 > 0.62 * (edges[1] - edges[0]):
        return []
    beside = [
        piece
        for piece in pieces
        if piece.letters >= LONG and piece.y0 < end and piece.y1 > top and (piece.x1 < x0 + 6 or piece.x0 > x1 - 6)
    ]
    if len(beside) < 2 or any(CAPTION_START.match(piece.text) for piece in beside):
        return []
    barriers = [
        piece for piece in pieces if piece.x0 < x1 - 6 and piece.x1 > x0 + 6 and not x0 <= piece.x0 < piece.x1 <= x1
    ]
    above = max((piece.y1 for piece in barriers if piece.y1 <= top + 3), default=0.0)
    below = min((piece.y0 for piece in barriers if piece.y0 >= end - 3), default=1e9)
    return [p for p in pieces if x0 <= p.x0 and p.x1 <= x1 and p.y0 >= above - 3 and p.y1 <= below + 3]


def _edges(pieces: Sequence[Piece]) -> tuple[float, float]:
    """Left and right edge of running text."""
    long = [piece for piece in pieces if piece.letters >= LONG] or list(pieces)
    starts = Counter(round(piece.x0) for piece in long)
    x0 = min(start for start, count in starts.items() if count >= 0.2 * max(starts.values()))
    return float(x0), max(piece.x1 for piece in long)


def _gutter(page: PageText, pieces: Sequence[Piece]) -> float | None:
    """Return the middle of the free strip between two columns, or None if there is one column."""
    long = [piece for piece in pieces if piece.letters >= LONG]
    best: tuple[int, float, float] | None = None
    for step in range(41):
        x = page.width * (0.40 + 0.005 * step)
        crossing = sum(piece.x0 < x - 1 and piece.x1 > x + 1 for piece in long)
        key = (crossing, abs(x - page.width / 2), x)
        if best is None or key < best:
            best = key
    if best is None:
        return None
    crossing, _, x = best
    fewer = min(sum(piece.x1 <= x + 1 for piece in long), sum(piece.x0 >= x - 1 for piece in long))
    return x if fewer >= 4 and crossing <= fewer else None


def _split(pieces: Sequence[Piece], gutter: float) -> tuple[list[Piece], list[Piece], list[Piece]]:
    def crosses(piece: Piece) -> bool:
        return piece.x0 < gutter - 3 and piece.x1 > gutter + 3

    left, right, across = [], [], []
    blocks: dict[int, list[Piece]] = {}
    for piece in pieces:
        blocks.setdefault(piece.block, []).append(piece)
    wide = {
        number
        for number, block in blocks.items()
        if sum(p.letters for p in block if crosses(p)) > 0.5 * sum(p.letters for p in block)
    }
    long = [piece for piece in pieces if piece.letters >= LONG and not crosses(piece) and piece.block not in wide]
    for piece in pieces:
        beside = any(o.y0 < piece.y1 - 2 and o.y1 > piece.y0 + 2 for o in long) if crosses(piece) else False
        if (crosses(piece) and not beside) or (piece.block in wide and not crosses(piece) and not _beside(piece, long)):
            across.append(piece)
        elif (piece.x0 + piece.x1) / 2 < gutter or (crosses(piece) and piece.x0 < gutter - 40):
            left.append(piece)
        else:
            right.append(piece)
    return left, right, across


def _wide_floats(
    left: list[Piece], right: list[Piece], across: list[Piece], body: float
) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """Move the cells of tables and figures that run across both columns, told by their captions, to `across`."""
    edges = [_edges(side) for side in (left, right) if side]
    running = [
        piece
        for side, (x0, x1) in zip((side for side in (left, right) if side), edges, strict=True)
        for piece in side
        if piece.letters >= LONG and abs(piece.size - body) < 0.6 and piece.x1 - piece.x0 > 0.8 * (x1 - x0)
    ]
    moved: set[Piece] = set()
    for caption in across:
        if not CAPTION_START.match(caption.text):
            continue
        above = max((p.y1 for p in [*running, *across] if p.y1 <= caption.y0 + 2 and p.letters >= LONG), default=0.0)
        found = {p for p in [*left, *right] if p.y0 >= above - 2 and p.y1 <= caption.y0 + 3}
        if not found and caption.text.lower().startswith("tab"):
            block_end = max(p.y1 for p in across if p.block == caption.block)
            below = min((p.y0 for p in running if p.y0 >= block_end - 2), default=1e9)
            found = {p for p in [*left, *right] if p.y0 >= block_end - 3 and p.y1 <= below + 2}
        moved |= found
    kept = [[piece for piece in side if piece not in moved] for side in (left, right)]
    return kept[0], kept[1], [*across, *moved]


def _beside(piece: Piece, long: Sequence[Piece]) -> bool:
    return any(other.y0 < piece.y1 - 2 and other.y1 > piece.y0 + 2 for other in long)


def _rows(pieces: Sequence[Piece], column: Column, body: float) -> list[Row]:
    """Group the pieces of a column into rows, small raised or lowered ones with the row that they belong to."""
    mains = [piece for piece in pieces if piece.size >= 0.82 * body or piece.letters > 8]
    small = [piece for piece in pieces if not (piece.size >= 0.82 * body or piece.letters > 8)]
    groups = _by_baseline(mains)
    alone = []
    for piece in small:
        home = _home(piece, groups)
        if home is None:
            alone.append(piece)
        else:
            home.append(piece)
    groups += _by_baseline(alone)
    rows = [Row(tuple(sorted(group, key=lambda piece: piece.x0)), column) for group in groups]
    return sorted(rows, key=lambda row: (row.baseline, row.x0))


def _by_baseline(pieces: Sequence[Piece]) -> list[list[Piece]]:
    groups: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.baseline, piece.x0)):
        if groups and piece.baseline - groups[-1][0].baseline <= 0.25 * max(piece.size, groups[-1][0].size):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _home(piece: Piece, groups: Sequence[list[Piece]]) -> list[Piece] | None:
    middle = (piece.y0 + piece.y1) / 2
    best: tuple[float, list[Piece]] | None = None
    for group in groups:
        base, size = group[0].baseline, max(other.size for other in group)
        if not base - 1.05 * size <= middle <= base + 0.5 * size:
            continue
        gap = min(max(piece.x0 - other.x1, other.x0 - piece.x1, 0.0) for other in group)
        if gap <= 1.5 * size and (best is None or gap < best[0]):
            best = (gap, group)
    return best[1] if best else None


def leading(rows: Sequence[Row], body: float) -> float:
    """Return the usual distance between the lines of running text, points."""
    steps = [
        after.baseline - before.baseline
        for before, after in pairwise(rows)
        if before.column == after.column
        and abs(after.size - body) < 0.6
        and abs(before.size - body) < 0.6
        and 0.9 * body < after.baseline - before.baseline < 2.5 * body
    ]
    return median(steps) if steps else 1.2 * body
