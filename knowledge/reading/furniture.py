"""What stands on a page and is not the paper's text: running heads, page numbers, line numbers, the stamp of arXiv."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from knowledge.reading.page_text import PageText, Piece

STAMP = re.compile(r"^arXiv:\s*(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(\d+))?\s*(?:\[|$)", re.IGNORECASE)
"""The stamp that arXiv prints on the margin of a first page."""

BANNER = re.compile(
    r"conference on|workshop on|proceedings of|copyright|©|^preprint\b|under review|published as a|published in trans|"
    r"^journal of|^submitted \d|this \w+ paper is the open access|computer vision foundation|final published version|"
    r"except for this watermark|ieee xplore|accepted (?:at|to|by)|association for computational|^issn|creative commons|"
    r"personal or classroom use|all rights reserved|^\*?(?:equal contribution|correspondence to)|work in progress",
    re.IGNORECASE,
)
"""What journals and conferences print at the head or the foot of a first page."""


def stamp(page: PageText) -> tuple[str, int | None] | None:
    """Return the arXiv id without version and the version that the first page's stamp names, or None."""
    for piece in page.pieces:
        match = STAMP.match(piece.text)
        if match and (not piece.upright or piece.y0 < 0.12 * page.height or piece.y1 > 0.9 * page.height):
            return match[1], int(match[2]) if match[2] else None
    return None


def text_pieces(pages: Sequence[PageText]) -> list[list[Piece]]:
    """Return, for each page, the pieces that are text of the paper."""
    repeated = _repeated(pages)
    kept = []
    for page in pages:
        numbers = _line_numbers(page)
        kept.append(
            [
                piece
                for piece in page.pieces
                if piece.upright
                and piece not in numbers
                and not _is_furniture(piece, page, repeated)
                and not STAMP.match(piece.text)
            ]
        )
    return kept


def _shape(text: str) -> str:
    return re.sub(r"\d+", "#", text.lower()).strip()


def _at_edge(piece: Piece, page: PageText) -> bool:
    return piece.y1 < 0.105 * page.height or piece.y0 > 0.895 * page.height


def _repeated(pages: Sequence[PageText]) -> set[str]:
    """Shapes of text that return near the edge of many pages."""
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({_shape(piece.text) for piece in page.pieces if piece.upright and _at_edge(piece, page)})
    least = max(2, min(0.3 * len(pages), 6))
    return {shape for shape, count in seen.items() if count >= least and len(shape) > 3}


def _is_furniture(piece: Piece, page: PageText, repeated: set[str]) -> bool:
    if _at_edge(piece, page) and _shape(piece.text) in repeated:
        return True
    outer = piece.y0 > 0.905 * page.height or piece.y1 < 0.085 * page.height
    if outer and re.fullmatch(
        r"[-\u2013—\s]*(?:page\s*)?(?:\d{1,5}|[ivxlc]{1,6})(?:\s*(?:of|/)\s*\d+)?[-\u2013—\s]*", piece.text, re.I
    ):
        return True
    edge = piece.y1 < 0.115 * page.height or piece.y0 > 0.86 * page.height
    return page.number == 1 and edge and piece.size < 12.5 and bool(BANNER.search(piece.text))


def _line_numbers(page: PageText) -> set[Piece]:
    """The numbers beside the lines of a copy for review: many, in one file, rising, outside of the text."""
    running = [piece for piece in page.pieces if piece.upright and piece.letters >= 20]
    files: dict[int, list[Piece]] = defaultdict(list)
    for piece in page.pieces:
        if piece.upright and re.fullmatch(r"\d{1,4}", piece.text):
            files[round((piece.x0 + piece.x1) / 16)].append(piece)
    found: set[Piece] = set()
    for file in files.values():
        file.sort(key=lambda piece: piece.y0)
        steps = [int(after.text) - int(before.text) for before, after in pairwise(file)]
        rising = sum(step in (1, 5) for step in steps)
        if len(file) >= 10 and rising >= 0.9 * len(steps):
            inside = sum(
                any(other.x0 < piece.x0 and other.x1 > piece.x1 and abs(other.y0 - piece.y0) < 3 for other in running)
                for piece in file
            )
            if inside < 0.2 * len(file):
                found.update(file)
    return found
