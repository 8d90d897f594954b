"""Where papers come from: what a person named, made into PDF files, one at a time and each with its own fate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from knowledge.fetching import Reference, parse_reference, pdf_files
from knowledge.papers import Paper, PaperError

#: Papers of a search, if nobody says how many.
USUAL_RESULTS = 10


class PaperServer(Protocol):
    """What fetches papers: `knowledge.fetching.ArxivClient`."""

    def search(self, query: str, max_results: int = ...) -> tuple[Paper, ...]:
        """Return the papers that a query finds."""

    def get(self, ids: Sequence[str]) -> tuple[Paper | PaperError, ...]:
        """Return what is known of some papers."""

    def download(self, paper: Paper, folder: Path) -> Path:
        """Return the PDF of a paper, once it lies in a folder."""


@dataclass(frozen=True)
class Source:
    """One paper that was named.

    Attributes:
        ref: What names it, for people: what was typed, or of a folder or a search what came of it.
        paper: What arXiv says of it, or None.
        file: Its file, or None if it is to be downloaded.
        problem: Why it cannot be had; None if it can.
    """

    ref: str
    paper: Paper | None = None
    file: Path | None = None
    problem: PaperError | None = None


def sources(references: Iterable[str], server: Callable[[], PaperServer], most: int = USUAL_RESULTS) -> list[Source]:
    """Return the papers that references name, each once, in order; one that is wrong is a source with a problem.

    Args:
        references: arXiv ids, searches, PDF files and folders of them.
        server: Makes who is asked of arXiv; not called if nothing is of arXiv.
        most: Greatest number of papers of each search.
    """
    found: dict[str, Source] = {}
    for text in references:
        try:
            reference = parse_reference(text)
            for source in _of(reference, server, most):
                found.setdefault(_key(source), source)
        except PaperError as error:
            found.setdefault(f"? {text}", Source(text, problem=error))
    return list(found.values())


def _of(reference: Reference, server: Callable[[], PaperServer], most: int) -> Iterator[Source]:
    match reference.kind:
        case "file":
            yield Source(reference.text, file=reference.path)
        case "folder":
            assert reference.path is not None
            for file in pdf_files(reference.path):
                yield Source(file.name, file=file)
        case "search":
            papers = server().search(reference.query or "", most)
            if not papers:
                raise PaperError(reference.text, "no paper on arXiv is found by this search")
            for paper in papers:
                yield Source(paper.id, paper)
        case "arxiv":
            (answer,) = server().get([reference.versioned_id])
            if isinstance(answer, PaperError):
                raise answer
            yield Source(reference.text, answer)


def _key(source: Source) -> str:
    if source.file is not None:
        return f"file {source.file.resolve()}"
    assert source.paper is not None
    return f"arxiv {source.paper.id} {source.paper.version}"
