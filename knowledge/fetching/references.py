"""What a person types to name papers: an arXiv id or address, a PDF file, a folder of them, a search on arXiv."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from knowledge.papers import Document, Paper, PaperError

ARXIV_ID = re.compile(
    r"(?P<id>\d{2}(?:0[1-9]|1[0-2])\.\d{4,5}|[a-z]+(?:-[a-z]+)*(?:\.[A-Z]{2})?/\d{2}(?:0[1-9]|1[0-2])\d{3})(?:v(?P<version>[1-9]\d{0,2}))?"
)
"""An arXiv id of either kind, "2307.08621v2" or "cs.LG/0701123"; see https://info.arxiv.org/help/arxiv_identifier.html."""

SEARCH_FIELDS = ("ti", "au", "abs", "co", "jr", "cat", "rn", "id", "all")
"""The fields of a search on arXiv; see https://info.arxiv.org/help/api/user-manual.html."""

_FIELD = re.compile(rf"(?:^|[\s(])(?:{'|'.join(SEARCH_FIELDS)}|submittedDate):\S")
_HOSTS = ("arxiv.org", "www.arxiv.org", "export.arxiv.org", "browse.arxiv.org")


@dataclass(frozen=True)
class Reference:
    """What was named.

    Attributes:
        kind: An arXiv paper, a PDF file, a folder of PDF files, or a search on arXiv.
        text: As it was typed.
        arxiv_id: arXiv id without its version, of an arXiv paper.
        version: Its version, or None for the newest.
        path: Of a file or a folder.
        query: Of a search.
    """

    kind: Literal["arxiv", "file", "folder", "search"]
    text: str
    arxiv_id: str | None = None
    version: int | None = None
    path: Path | None = None
    query: str | None = None

    @property
    def versioned_id(self) -> str:
        """The arXiv id with its version if one was named, such as "2307.08621v2"; "" for anything else."""
        return (self.arxiv_id or "") + (f"v{self.version}" if self.version else "")


def parse_reference(text: str) -> Reference:
    """Tell what `text` names.

    A file or folder that exists wins over everything else of that name.

    Raises:
        PaperError: If it is none of the four; the message says what would help.
    """
    typed = text.strip()
    if not typed:
        raise PaperError("(empty)", "name an arXiv id, a PDF file, a folder of PDF files or an arXiv search")
    shown = typed if len(typed) <= 80 else typed[:77] + "..."
    if "\0" in typed or "\n" in typed:
        raise PaperError(repr(shown), "a reference is one line of text")
    found = _existing(typed, shown)
    if found is not None:
        return found
    bare = re.sub(r"^arxiv\s*:\s*", "", typed, flags=re.IGNORECASE)
    if re.match(r"https?://", bare, re.IGNORECASE):
        return _from_address(bare, typed, shown)
    match = ARXIV_ID.fullmatch(re.sub(r"\s*\[[\w.-]+\]$", "", bare))  # "arXiv:2307.08621v2 [cs.CL]"
    if match is None:
        match = ARXIV_ID.fullmatch(re.sub(r"^(?:doi:)?10\.48550/arxiv\.", "", typed, flags=re.IGNORECASE))
    if match is not None:
        return _arxiv(match, typed)
    if typed.lower().endswith(".pdf") or typed.startswith(("/", "./", "../", "~")) or typed.endswith(("/", os.sep)):
        raise PaperError(shown, "no such file or folder")
    if re.fullmatch(r"[\d.]+(v\d*)?", bare) or bare != typed:
        raise PaperError(shown, "not an arXiv id; they look like 2307.08621, 2307.08621v2 or cs/0701123")
    return _search(typed, shown)


def _existing(typed: str, shown: str) -> Reference | None:
    try:
        path = Path(typed).expanduser()
        if path.is_dir():
            return Reference("folder", typed, path=path)
        if path.is_file():
            return Reference("file", typed, path=path)
        special = path.exists()
    except (OSError, RuntimeError):  # a name too long, a home that is not there
        return None
    if special:
        raise PaperError(shown, "neither a file nor a folder")
    return None


def _arxiv(match: re.Match[str], typed: str) -> Reference:
    version = match["version"]
    return Reference("arxiv", typed, arxiv_id=match["id"], version=int(version) if version else None)


def _from_address(address: str, typed: str, shown: str) -> Reference:
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise PaperError(shown, "not an address that can be read") from error
    path = unquote(parts.path)
    if host == "doi.org":
        match = ARXIV_ID.fullmatch(re.sub(r"^/10\.48550/arxiv\.", "", path, flags=re.IGNORECASE))
    elif host in _HOSTS:
        found = re.fullmatch(r"/(?:abs|pdf|html|format|ps|e-print|src)/(.+?)(?:\.pdf)?/?", path)
        match = ARXIV_ID.fullmatch(found[1]) if found else None
    else:
        raise PaperError(shown, "only addresses on arxiv.org are fetched; save the PDF and name the file")
    if match is None:
        raise PaperError(shown, "no paper's address on arXiv; they look like https://arxiv.org/abs/2307.08621")
    return _arxiv(match, typed)


def _search(typed: str, shown: str) -> Reference:
    if typed.count('"') % 2 or typed.count("(") != typed.count(")"):
        raise PaperError(shown, "an arXiv search with a quote or bracket that is not closed")
    if not re.search(r"\w", typed):
        raise PaperError(shown, "neither an arXiv id, nor a file, nor words to search for")
    if not _FIELD.search(typed) and len(typed.split()) < 2:
        raise PaperError(shown, f"no such file, and not an arXiv id; to search arXiv for it, write all:{shown}")
    return Reference("search", typed, query=typed)


def pdf_files(folder: Path) -> tuple[Path, ...]:
    """Return the PDF files of a folder by name, hidden ones and folders inside left out.

    Raises:
        PaperError: If there is none or the folder cannot be read.
    """
    try:
        files = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() == ".pdf" and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise PaperError(str(folder), f"the folder cannot be read: {error.strerror}") from error
    if not files:
        raise PaperError(str(folder), "no PDF file in this folder")
    return tuple(sorted(files, key=lambda path: path.name))


def file_paper(path: Path, document: Document, *, known: Paper | None = None) -> Paper:
    """Return what is known of a paper that was read from a file.

    Args:
        path: The PDF file.
        document: What was read of it.
        known: What arXiv says of it, which is believed more than its pages.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    abstract = " ".join(
        block.text
        for section in document.sections
        if section.title.lower() == "abstract" and not section.number
        for block in section.blocks
        if block.kind == "text" and block.page == section.page
    )
    arxiv_id = known.arxiv_id if known else document.arxiv_id
    return Paper(
        id=arxiv_id or f"file-{digest[:12]}",
        title=(known.title if known else document.title) or path.stem,
        authors=known.authors if known else document.authors,
        abstract=known.abstract if known else abstract,
        arxiv_id=arxiv_id,
        version=known.version if known else document.version,
        published=known.published if known else "",
        origin=known.origin if known else path.name,
        sha256=digest,
        pages=document.pages,
        withdrawn=known.withdrawn if known else False,
    )
