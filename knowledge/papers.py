"""What the room of papers passes around: a paper, what was read of its pages, and the passages that are searched.

All text here is data: whatever it says, it is shown, compared and quoted, and never run, rendered or followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from neuramosaic.errors import NeuraMosaicError

BlockKind = Literal["text", "equation", "caption", "table"]
"""What a block of a page is."""


class PaperError(NeuraMosaicError):
    """A paper cannot be had or read: `reference` names it, the message says what is wrong and what would help."""

    def __init__(self, reference: str, message: str) -> None:
        super().__init__(f"{reference}: {message}")
        self.reference = reference
        self.problem = message


@dataclass(frozen=True)
class Paper:
    """What is known of a paper.

    Attributes:
        id: arXiv id without its version, such as "2307.08621"; of a file that names none, "file-" and 12 hex digits of
            the content.
        title: Its title.
        authors: As they are printed.
        abstract: Its abstract, or "".
        arxiv_id: arXiv id without its version, or None.
        version: Version of the arXiv paper, or None.
        published: Date, ISO 8601, or "".
        origin: Where it came from, for people: a URL or a file's name, never a path of this machine.
        sha256: Of the PDF's bytes.
        pages: How many it has.
        withdrawn: Whether arXiv says that its authors withdrew it.
    """

    id: str
    title: str
    authors: tuple[str, ...] = ()
    abstract: str = ""
    arxiv_id: str | None = None
    version: int | None = None
    published: str = ""
    origin: str = ""
    sha256: str = ""
    pages: int = 0
    withdrawn: bool = False


@dataclass(frozen=True)
class Block:
    """A run of text on one page, in reading order.

    Attributes:
        text: Its text; the lines of a paragraph joined, hyphens at line ends resolved.
        page: From 1.
        kind: What it is.
    """

    text: str
    page: int
    kind: BlockKind = "text"


@dataclass(frozen=True)
class Section:
    """A section of a paper.

    Attributes:
        title: Its heading without its number; "Abstract" for the abstract, "" for what stands before any heading.
        number: Such as "3.2" or "A"; "" if it has none.
        page: Where it begins.
        blocks: What stands in it.
    """

    title: str
    number: str
    page: int
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Document:
    """What was read of a PDF.

    Attributes:
        title: The title on its first page.
        sections: In reading order, the reference list left out.
        references: The entries of the reference list, which are not searched.
        pages: How many pages it has.
        arxiv_id: arXiv id that is printed on the first page, without its version, or None.
        version: Version that is printed there, or None.
        authors: As far as they can be told, else empty.
    """

    title: str
    sections: tuple[Section, ...]
    references: tuple[str, ...]
    pages: int
    arxiv_id: str | None = None
    version: int | None = None
    authors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Passage:
    """What is searched and cited: some sentences of a section, or an equation with the words around it.

    Attributes:
        paper: Id of its paper.
        number: From 0, within the paper.
        section: Heading of its section, with its number: "3.2 Chunkwise form".
        page: Where it begins.
        text: Its text, as read.
        kind: What it is.
    """

    paper: str
    number: int
    section: str
    page: int
    text: str
    kind: BlockKind = "text"

    @property
    def id(self) -> str:
        """Such as "2307.08621#12"."""
        return f"{self.paper}#{self.number}"


@dataclass(frozen=True)
class Hit:
    """A passage that was found.

    Attributes:
        passage: The passage.
        title: Title of its paper.
        score: Fused rank of the two retrievals, higher is nearer; only comparable within one query.
        found_by: Which retrievals found it: "vectors", "words".
    """

    passage: Passage
    title: str
    score: float
    found_by: tuple[str, ...] = field(default=())
