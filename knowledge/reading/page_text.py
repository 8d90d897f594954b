"""The text of a PDF's pages as pieces with their place and type: the one file that talks to PyMuPDF.

Runs in the child process only (see `reader.py`). Nothing in the PDF is run or followed: only text is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pymupdf

MATH_FONTS = re.compile(r"CMMI|CMSY|CMEX|MSBM|MSAM|EUFM|EUSM|RSFS|Math|MTMI|MTSY|MTEX|txsy|txmi|pxmi|NewTXMI|"
                        r"LMRoman\d+.*Math|Symbol|stmary|bbm|dsrom|BBOLD|rsfs|wasy|esint", re.IGNORECASE)  # fmt: skip
"""Fonts that TeX and others set formulas in; part of a font's name."""

UPRIGHT_MATH = re.compile(r"CMR\d|CMBX\d|CMTI\d")
"""Fonts of formulas, unless the whole paper is set in them."""

_LARGE = re.compile(r"CMEX|txex|pxex|LMMathExtension", re.IGNORECASE)
"""Fonts of large operators and brackets; many PDFs do not say which signs they draw, but TeX's codes are known."""

_LARGE_SIGNS = (
    {code: sign for codes, sign in (
        ("PX", "\u2211"), ("QY", "\u220f"), ("RZ", "\u222b"), ("S[", "\u222a"), ("T\\", "\u2229"), ("pqrst", "\u221a"),
        ("\x00\x10\x12\x20", "("), ("\x01\x11\x13\x21", ")"), ("\x02\x14\x22\x68", "["), ("\x03\x15\x23\x69", "]"),
        ("\x08\x1a\x28\x6e", "{"), ("\x09\x1b\x29\x6f", "}"), ("\x0c", "|"), ("bcd", "^"), ("efg", "~"),
    ) for code in codes}
)  # fmt: skip

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}


class UnreadableError(Exception):
    """The PDF cannot be read; its text says why, in one line."""


@dataclass(frozen=True)
class Piece:
    """A run of text on one line, as the PDF holds it.

    Attributes:
        text: Its text, ligatures resolved.
        x0: Left edge, points from the page's left.
        y0: Upper edge, points from the page's top.
        x1: Right edge.
        y1: Lower edge.
        baseline: Of its main type, points from the page's top.
        size: Of the type that most of its letters have, points.
        top_size: Of its largest letters.
        least_size: Of its smallest letters.
        font: That most of its letters have.
        bold: Whether nearly all of its letters are.
        italic: Whether nearly all of its letters are.
        math: Letters in a font for formulas.
        raised: Whether it begins with a small raised mark, as footnotes do.
        block: Number of the block that PyMuPDF put it into.
        upright: Whether it runs from left to right.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    size: float
    top_size: float
    least_size: float
    font: str
    bold: bool
    italic: bool
    math: int
    raised: bool
    block: int
    upright: bool

    @property
    def letters(self) -> int:
        """How many signs it has, spaces left out."""
        return sum(not sign.isspace() for sign in self.text)


@dataclass(frozen=True)
class PageText:
    """The text of one page.

    Attributes:
        number: From 1.
        width: Points.
        height: Points.
        pieces: As the PDF holds them.
    """

    number: int
    width: float
    height: float
    pieces: tuple[Piece, ...]


def read_pages(data: bytes, max_pages: int) -> tuple[list[PageText], str]:
    """Return the text of all pages of a PDF, and the title that its own record names.

    Raises:
        UnreadableError: If it is damaged, encrypted, has no page, or more than `max_pages`.
    """
    pymupdf.TOOLS.mupdf_display_errors(False)  # type: ignore[no-untyped-call]
    pymupdf.TOOLS.mupdf_display_warnings(False)  # type: ignore[no-untyped-call]
    try:
        document = pymupdf.open(stream=data, filetype="pdf")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise UnreadableError("the PDF is damaged or cut off; fetch it again") from error
    if document.needs_pass:
        raise UnreadableError("the PDF is encrypted; save a copy without a password")
    if document.is_repaired and b"%%EOF" not in data[-4096:]:
        raise UnreadableError("the PDF is damaged or cut off; fetch it again")
    if document.page_count == 0:
        raise UnreadableError("the PDF has no page that can be read; it may be cut off, fetch it again")
    if document.page_count > max_pages:
        raise UnreadableError(f"{document.page_count} pages, more than the limit of {max_pages}")
    found, broken = [], 0
    for number in range(document.page_count):
        try:
            found.append(_read_page(document[number]))
        except (RuntimeError, ValueError) as error:
            if re.search(r"alloc|memory", str(error)):
                raise MemoryError from error
            broken += 1
            found.append((612.0, 792.0, []))
    is_math = _math_fonts([blocks for _, _, blocks in found])
    pages = [
        PageText(index + 1, width, height, tuple(_pieces(blocks, is_math)))
        for index, (width, height, blocks) in enumerate(found)
    ]
    if broken == len(pages):
        raise UnreadableError("the PDF is damaged or cut off; fetch it again")
    return pages, clean(str((document.metadata or {}).get("title") or ""))


def _read_page(page: Any) -> tuple[float, float, list[dict[str, Any]]]:
    if page.rotation:
        page.remove_rotation()
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP  # no ligatures, no images
    blocks = page.get_text("dict", flags=flags)["blocks"]
    spans = list(_spans(blocks))
    if any("\ufffd" in span["text"] and _LARGE.search(span["font"]) for span in spans):
        coded = list(_spans(page.get_text("dict", flags=flags | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE)["blocks"]))
        if len(coded) == len(spans):
            for span, code in zip(spans, coded, strict=True):
                if "\ufffd" in span["text"] and _LARGE.search(span["font"]):
                    span["text"] = "".join(_LARGE_SIGNS.get(sign, "") for sign in code["text"])
    return float(page.rect.width), float(page.rect.height), blocks


def _spans(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        for line in block.get("lines", ()):
            yield from line["spans"]


def _math_fonts(pages: list[list[dict[str, Any]]]) -> Callable[[str], bool]:
    """Tell fonts of formulas from fonts of text, in one paper."""
    text = upright = 0
    for blocks in pages:
        for span in _spans(blocks):
            text += len(span["text"])
            upright += len(span["text"]) if UPRIGHT_MATH.search(span["font"]) else 0
    if upright > 0.4 * text:
        return lambda font: bool(MATH_FONTS.search(font))
    return lambda font: bool(MATH_FONTS.search(font) or UPRIGHT_MATH.search(font))


def _pieces(blocks: list[dict[str, Any]], is_math: Callable[[str], bool]) -> Iterator[Piece]:
    for index, block in enumerate(blocks):
        for line in block.get("lines", ()):
            piece = _piece(line, index, is_math)
            if piece is not None:
                yield piece


def _piece(line: dict[str, Any], block: int, is_math: Callable[[str], bool]) -> Piece | None:
    spans = [(span, clean(span["text"], strip=False)) for span in line["spans"]]
    text = re.sub(r"\s+", " ", "".join(text for _, text in spans)).strip()
    inked = [(span, sum(not sign.isspace() for sign in text)) for span, text in spans if text.strip()]
    if not text or not inked:
        return None
    sizes: Counter[float] = Counter()
    fonts: Counter[str] = Counter()
    for span, count in inked:
        sizes[round(span["size"], 1)] += count
        fonts[span["font"]] += count
    size = sizes.most_common(1)[0][0]
    total = sizes.total()
    main = next(span for span, _ in inked if round(span["size"], 1) == size)
    first = inked[0][0]
    x0, y0, x1, y1 = line["bbox"]
    return Piece(
        text=text,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        baseline=main["origin"][1],
        size=size,
        top_size=max(sizes),
        least_size=min(sizes),
        font=fonts.most_common(1)[0][0],
        bold=sum(count for span, count in inked if _is_bold(span)) >= 0.85 * total,
        italic=sum(count for span, count in inked if span["flags"] & pymupdf.TEXT_FONT_ITALIC) >= 0.85 * total,
        math=sum(count for span, count in inked if is_math(span["font"])),
        raised=first["size"] < 0.85 * size and first["origin"][1] < main["origin"][1] - 1,
        block=block,
        upright=line["dir"][0] > 0.9,
    )


def _is_bold(span: dict[str, Any]) -> bool:
    return bool(span["flags"] & pymupdf.TEXT_FONT_BOLD) or bool(
        re.search(r"Bold|Medi|Black|Heavy|SFBX|CMBX|Demi", span["font"])
    )


def clean(text: str, strip: bool = True) -> str:
    """Return `text` with ligatures resolved and without signs that cannot be seen (control, direction, surrogates)."""
    text = "".join(_LIGATURES.get(sign, sign) for sign in text)
    text = "".join(
        " " if sign.isspace() else sign for sign in text if sign.isspace() or unicodedata.category(sign) not in _DROPPED
    )
    return text.strip() if strip else text
