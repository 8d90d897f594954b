"""From the text of pages to a document: title, authors, sections, reference list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from knowledge.papers import Block, Document, Section
from knowledge.reading.blocks import Draft, Layout, assemble, finish, join_rows, layout_fonts, words_of
from knowledge.reading.furniture import stamp, text_pieces
from knowledge.reading.headings import Heading, Headings, tidy
from knowledge.reading.layout import Row, body_size, leading, rows_of_page
from knowledge.reading.page_text import PageText, UnreadableError

LEAST_LETTERS = 40
"""Letters a page on average under which a paper counts as scanned."""


def build_document(pages: Sequence[PageText], record_title: str = "") -> Document:
    """Return what a paper holds.

    Args:
        pages: The text of its pages.
        record_title: The title that the file's own record names; used if the first page shows none.

    Raises:
        UnreadableError: If there is no text, or none that can be read.
    """
    _refuse_without_text(pages)
    body = body_size(pages)
    kept = text_pieces(pages)
    rows = [row for page, pieces in zip(pages, kept, strict=True) for row in rows_of_page(page, pieces, body)]
    if not rows:
        raise UnreadableError("the PDF holds no running text")
    layout = Layout(body, leading(rows, body), layout_fonts(rows, body))
    title_rows = _title_rows(pages[0], rows, body)
    taken = {id(row) for row in title_rows}
    rest = [row for row in rows if id(row) not in taken]
    known = words_of(rows)
    items = assemble(rest, layout, Headings(body, next(iter(layout.fonts), "")))
    sections, references = _sections(items, known)
    title = tidy(join_rows([row.text for row in title_rows], known)) or record_title
    marked = stamp(pages[0])
    return Document(
        title=title,
        sections=tuple(sections),
        references=tuple(_entries(references, known)),
        pages=len(pages),
        arxiv_id=marked[0] if marked else None,
        version=marked[1] if marked else None,
        authors=_authors(rest, sections),
    )


def _refuse_without_text(pages: Sequence[PageText]) -> None:
    text = "".join(piece.text for page in pages for piece in page.pieces if piece.upright)
    letters = sum(sign.isalnum() for sign in text)
    if letters < LEAST_LETTERS * min(len(pages), 10):
        raise UnreadableError("the PDF holds no text; it looks scanned: run OCR (such as ocrmypdf) over it first")
    if text.count("\ufffd") > 0.2 * len(text):
        raise UnreadableError("the PDF's fonts do not say which letters they draw; run OCR over it first")


def _title_rows(page: PageText, rows: Sequence[Row], body: float) -> list[Row]:
    """The rows of the largest type in the upper part of the first page, further lines of the same type included."""
    first = [row for row in rows if row.page == 1 and row.baseline < 0.6 * page.height and row.letters >= 2]
    end = next((i for i, row in enumerate(first) if re.match(r"^(abstract|a bstract)\b", row.text, re.I)), len(first))
    first = [row for row in first[: end or None] if re.search(r"[A-Za-z]{2}", row.text)]
    if not first:
        return []
    top = max(row.size for row in first)
    if top < 1.08 * body:
        bold = [row for row in first if row.bold]
        return _run(bold[:1], first) if bold else []
    start = next(row for row in first if row.size >= top - 0.4)
    return _run([start], first)


def _run(start: list[Row], rows: Sequence[Row]) -> list[Row]:
    run = list(start)
    begin = next((i for i, row in enumerate(rows) if row is start[0]), 0)
    for before, row in pairwise(rows[begin:]):
        near = row.baseline - before.baseline < 1.75 * before.top_size
        if near and abs(row.size - before.size) < 0.6 and row.bold == before.bold and row.main.font == before.main.font:
            run.append(row)
        else:
            break
    return run


def _sections(items: Sequence[Heading | Draft], known: Counter[str]) -> tuple[list[Section], list[Row]]:
    sections: list[Section] = []
    references: list[Row] = []
    heading = Heading("", "", 1)
    blocks: list[Block] = []
    in_references = False

    def close() -> None:
        if blocks or heading.title:
            sections.append(Section(heading.title, heading.number, heading.page, tuple(_mend(blocks, known))))

    for item in items:
        if isinstance(item, Heading):
            if not in_references:
                close()
            heading, blocks = item, []
            in_references = item.is_references
        elif in_references:
            references += [row for row in item.rows if not item.note]
        else:
            blocks += finish(item, known)
    if not in_references:
        close()
    return sections, references


def _mend(blocks: Sequence[Block], known: Counter[str]) -> list[Block]:
    """Finish a word that a page's end cuts on the page where it begins."""
    mended: list[Block] = []
    for block in blocks:
        earlier = next((i for i in range(len(mended) - 1, -1, -1) if mended[i].kind == "text"), None)
        if block.kind == "text" and earlier is not None and mended[earlier].page < block.page:
            end = mended[earlier]
            tail = re.match(r"[a-z]+[.,;:)]*\s*", block.text)
            if re.search(r"[A-Za-z]-$", end.text) and tail:
                begun = join_rows([end.text, tail[0].strip()], known)
                mended[earlier] = Block(begun, end.page, end.kind)
                block = Block(block.text[tail.end() :], block.page, block.kind)
        if block.text.strip():
            mended.append(block)
    return mended


def _entries(rows: Sequence[Row], known: Counter[str]) -> list[str]:
    """Cut a reference list into its entries: by "[12]", else by hanging indents and gaps."""
    if not rows:
        return []
    bracketed = sum(bool(re.match(r"^\[[^\]]{1,20}\]", row.text)) for row in rows)
    numbered = sum(bool(re.match(r"^\d{1,3}\.\s", row.text)) for row in rows)
    entries: list[list[Row]] = []
    steps = [b.baseline - a.baseline for a, b in pairwise(rows) if a.column == b.column and b.baseline > a.baseline]
    usual = sorted(steps)[len(steps) // 3] if steps else 12.0
    hanging = sum(row.x0 - row.column.x0 > 5 for row in rows) > 0.15 * len(rows)
    for row in rows:
        before = entries[-1][-1] if entries else None
        if before is None:
            fresh = True
        elif bracketed >= 3:
            fresh = bool(re.match(r"^\[[^\]]{1,20}\]", row.text))
        elif numbered >= 3:
            fresh = bool(re.match(r"^\d{1,3}\.\s", row.text))
        elif hanging:
            fresh = row.x0 - row.column.x0 < 4 and bool(re.search(r"[.\d]$|\w$", before.text))
        else:
            same = row.column == before.column
            fresh = (same and row.baseline - before.baseline > 1.25 * usual) or (not same and before.text.endswith("."))
        if fresh:
            entries.append([row])
        else:
            entries[-1].append(row)
    return [join_rows([row.text for row in entry], known) for entry in entries]


_NAME = re.compile(r"^[^\W\d_][\w.\u2019'-]*(?:\s+[^\W\d_][\w.\u2019'-]*){1,4}$")
_PLACE = re.compile(
    r"universit|institut|google|research|facebook|microsoft|school|college|department|laborator|center|centre|brain|"
    r"academy|openai|deepmind|nvidia|stanford|inc\b|corp|equal|work|under|conference|http|@|street|abstract|ai\b|"
    r"editor|submitted|journal|technolog|comput|science|intelligence|learning|foundation|group|project|december|january|"
    r"february|march|april|june|july|august|september|october|november|systems|network|language|model|attention",
    re.IGNORECASE,
)


def _authors(rows: Sequence[Row], sections: Sequence[Section]) -> tuple[str, ...]:
    """Names that stand between title and abstract; empty if what stands there does not look like names."""
    names: list[str] = []
    for row in rows:
        if row.page > 1 or re.match(r"^(abstract|a bstract|1\.?\s+introduction)\b", row.text, re.IGNORECASE):
            break
        for segment in row.segments():
            for part in re.split(r",|;|\band\b|&|·|[\u2217*†‡§¶♠♣♦♥]+|(?<=[a-z])\d(?:,\s*\d)*", segment):
                name = re.sub(r"[\d\u2217*†‡§¶,♠♣♦♥⋆]+", " ", part).strip(" .")
                name = re.sub(r"\s+", " ", name)
                if (
                    _NAME.match(name)
                    and name[0].isupper()
                    and name.split()[-1][0].isupper()
                    and not _PLACE.search(name)
                ):
                    names.append(name)
    return tuple(dict.fromkeys(names)) if len(names) <= 60 else ()
