"""Which rows are headings: by their type and by their numbers, which must go on where the last ones ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from knowledge.reading.layout import Row

NUMBERED = re.compile(
    r"^(?P<number>(?:Appendix\s+)?(?:\d{1,2}(?:\.\d{1,2}){0,3}|[A-Z](?:\.\d{1,2}){0,3}|[IVX]{1,5}(?=\.)))(?P<dot>[.:]?)\s+"
    r"(?P<title>\S.*)$"
)
KNOWN = re.compile(
    r"^(abstract|summary|introduction|related works?|background|preliminaries|methods?|methodology|approach|"
    r"experiments?|"
    r"experimental (setup|results)|evaluation|results|analysis|discussions?|conclusions?( and .*)?|limitations|"
    r"acknowledge?ments?|acknowledge?ments? and .*|broader impacts?( statement)?|impact statement|ethics statement|"
    r"ethical considerations|reproducibility( statement)?|author contributions|contributions|funding|"
    r"references( and notes)?|bibliography|literature cited|appendix|appendices|appendix .{3,60}|"
    r"supplementary materials?|supplemental materials?|checklist|neurips paper checklist)[.:]?$",
    re.IGNORECASE,
)
REFERENCES = re.compile(r"^(references( and notes)?|bibliography|literature cited|r eferences)[.:]?$", re.IGNORECASE)
RUN_IN_ABSTRACT = re.compile(r"^abstract\s*[—\u2013:.-]+\s*(?=\S)", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        number: Such as "3.2" or "A"; "" if it has none.
        title: Without its number.
        page: Where it stands.
    """

    number: str
    title: str
    page: int

    @property
    def is_references(self) -> bool:
        """Whether the reference list follows."""
        return bool(REFERENCES.match(self.title))


def tidy(title: str) -> str:
    """Return the words of a heading without marks of footnotes and stray spaces."""
    return re.sub(r"\s+", " ", re.sub(r"[*\u2217†‡§¶♮♯✉]+$", "", title.strip())).strip().rstrip(":").strip()


@dataclass
class Headings:
    """Tells headings from other rows, in reading order.

    Attributes:
        body: Size of running text, points.
        body_font: Its font.
    """

    body: float
    body_font: str
    last: tuple[int | str, ...] = field(default=())
    seen_abstract: bool = False
    _styles: set[tuple[float, bool, bool, str]] = field(default_factory=set)

    def _style(self, row: Row) -> tuple[float, bool, bool, str]:
        return (round(row.top_size * 2) / 2, row.bold, _small_caps(row), row.main.font)

    def stands_out(self, row: Row) -> bool:
        """Whether its type differs from that of running text."""
        return (
            row.bold
            or row.size >= 1.06 * self.body
            or _small_caps(row)
            or (row.italic and row.math_share < 0.3)
            or (row.text.isupper() and row.letters > 4)
        )

    def match(self, row: Row, before: Row | None, gap: float) -> Heading | None:
        """Return the heading that begins in `row`, or None.

        Args:
            row: The row.
            before: The row before it in the same column, or None.
            gap: Distance from it in units of the usual leading; large at the head of a column.
        """
        text, segments = row.text, row.segments()
        if row.page == 1 and not self.seen_abstract and re.fullmatch(r"abstract[.:]?", text, re.IGNORECASE):
            self.seen_abstract = True
            return Heading("", tidy(text), row.page)
        if len(text) > 140 or row.letters < 3 or row.math_share > 0.6 or not self.stands_out(row):
            return None
        if len(segments) > 2 or row.pieces[0].raised or re.search(r"\.{4}|(?:\. ){3}", text):
            return None
        if len(segments) == 2 and re.fullmatch(r"\d{1,3}", segments[-1].strip()):  # a line of a table of contents
            return None
        numbered = NUMBERED.match(text)
        if numbered:
            heading = self._numbered(row, numbered, gap)
            if heading is not None:
                self._styles.add(self._style(row))
                self.seen_abstract = True
            return heading
        if KNOWN.match(tidy(text)) and (row.bold or row.top_size >= 0.95 * self.body):
            if tidy(text).lower().startswith("abstract") or tidy(text).lower() == "introduction":
                self.seen_abstract = True
            return Heading("", tidy(text), row.page)
        if not (self.seen_abstract or row.page > 1) or gap < 1.25 or row.size < 1.12 * self.body:
            return None
        if not (row.bold or _small_caps(row)) or text.endswith((".", ",")) or not re.match(r"[A-Z]", text):
            return None
        known = self._style(row) in self._styles
        larger = bool(self._styles) and row.top_size > 1.1 * max(style[0] for style in self._styles)
        same_font = row.main.font in {style[3] for style in self._styles}
        return Heading("", tidy(text), row.page) if known or (larger and same_font) else None

    def goes_on(self, row: Row, before: Row, gap: float) -> bool:
        """Whether `row` is a further line of the heading that `before` is a line of."""
        return (
            self._style(row) == self._style(before)
            and row.column == before.column
            and gap < 1.45 * max(1.0, row.top_size / self.body)
            and not NUMBERED.match(row.text)
            and not KNOWN.match(tidy(row.text))
            and self.stands_out(row)
            and (gap < 1.12 or before.x1 - before.x0 > 0.55 * (before.column.x1 - before.column.x0))
        )

    def _numbered(self, row: Row, match: re.Match[str], gap: float) -> Heading | None:
        title = match["title"]
        if not re.match(r"[A-Z0-9“\"'(]|[a-z]+[A-Z]", title) or title.endswith((",", ";")):
            return None
        if title.endswith(".") and len(title) > 60:
            return None
        if not re.search(r"[A-Za-z]{2}", title):
            return None
        if row.page == 1 and not self.seen_abstract and not title.lower().startswith("introduction"):
            return None  # an affiliation
        number = match["number"].removeprefix("Appendix").strip()
        key = _key(number)
        if key is None or not self._follows(key):
            return None
        if gap < 1.02 and not row.bold and row.size < 1.06 * self.body and not _small_caps(row):
            return None
        self.last = key
        return Heading(number, tidy(title), row.page)

    def _follows(self, key: tuple[int | str, ...]) -> bool:
        """Whether a heading with this number can come next."""
        last = self.last
        if len(key) == 1:
            top = last[0] if last else None
            if isinstance(key[0], int):
                return key[0] <= 2 if top is None else isinstance(top, int) and 0 < key[0] - top <= 2
            if isinstance(top, str):
                return 0 < ord(key[0]) - ord(top) <= 2
            return key[0] in ("A", "S")
        if not last:
            return False
        if key[0] != last[0]:  # "4.1" where "4" was missed
            return isinstance(key[0], int) and isinstance(last[0], int) and key[0] == last[0] + 1 and key[1] == 1
        return all(isinstance(part, int) for part in key[1:]) and _rest(key) > _rest(last)


def _rest(key: tuple[int | str, ...]) -> tuple[int, ...]:
    return tuple(part for part in key[1:] if isinstance(part, int))


def _key(number: str) -> tuple[int | str, ...] | None:
    """The parts of a heading's number, Roman ones as integers; a single letter is a letter."""
    if re.fullmatch(r"[IVX]{2,5}", number):
        values = {"I": 1, "V": 5, "X": 10}
        total = 0
        for sign, after in zip(number, [*number[1:], ""], strict=True):
            total += -values[sign] if after and values[sign] < values[after] else values[sign]
        return (total,)
    parts = number.split(".")
    if parts[0].isdigit() and not 0 < int(parts[0]) < 40:
        return None
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _small_caps(row: Row) -> bool:
    letters = re.sub(r"[^A-Za-z]", "", row.text)
    return len(letters) > 3 and letters.isupper() and row.top_size >= 1.15 * row.least_size and row.math_share < 0.3
