"""What comes of ingesting a paper, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from agents.paper_reader.findings import PaperFindings
from agents.paper_reader.plain import plain
from agents.writer.result import Written
from knowledge.papers import Paper

Status = Literal["read", "indexed", "known", "unfinished", "failed"]
"""What came of a paper: asked about by a model; only indexed, since nobody was asked; nothing was left to do; indexed,
but a cap, the model or the sandbox ended it before its end; not to be had or read."""


@dataclass(frozen=True)
class IngestRecord:
    """What came of one paper.

    Attributes:
        ref: What names it.
        status: What came of it.
        paper: Its id, or "".
        title: Its title, or "".
        pages: How many it has.
        chunks: How many passages of it are searched.
        components: What it describes: `name`, `slot`, `relation`, and whether it is `verified`.
        nearest: What it is nearest to: `kind`, `slot`, `name`, `similarity`.
        message: What went wrong, or why nothing was written.
    """

    ref: str
    status: Status
    paper: str = ""
    title: str = ""
    pages: int = 0
    chunks: int = 0
    components: tuple[dict[str, Any], ...] = ()
    nearest: tuple[dict[str, Any], ...] = ()
    message: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status not in ("failed", "unfinished")

    def to_json(self) -> dict[str, Any]:
        """Return it as programs may rely on it (`ingest --json`)."""
        return {
            "ref": self.ref,
            "paper": self.paper,
            "title": self.title,
            "pages": self.pages,
            "chunks": self.chunks,
            "status": self.status,
            "components": list(self.components),
            "nearest": list(self.nearest),
            "message": self.message,
        }


def proposal_of(found: PaperFindings, paper: Paper) -> dict[str, Any]:
    """Return what a writing keeps of the paper that it comes from."""
    data = found.to_json()
    return {
        "paper": paper.id,
        "title": plain(paper.title, 300),
        "sha256": paper.sha256,
        "relation": found.relation,
        "evidence": data["evidence"],
        "nearest": data["nearest"],
        "why": f"{found.relation}, by the paper {plain(paper.title, 200)!r} ({paper.id})",
        "reasons": data["reasons"],
    }


def outcome_of(written: Written) -> dict[str, Any]:
    """Return what a writing came to, as a component of a record tells it."""
    return {
        "verified": written.verified,
        "version": written.component.version if written.component else None,
        "file": str(written.file) if written.file else None,
        "writing": written.writing,
        "attempts": written.attempts,
        "tokens": written.tokens,
    }


def why_not(written: Written) -> str:
    """Return why a component could not be verified."""
    last = f": {written.failures[-1].check}: {written.failures[-1].message}" if written.failures else ""
    return plain(f"{written.name} could not be verified in {written.attempts} attempts{last}", 500)
