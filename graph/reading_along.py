"""Reading papers while a study runs: what they describe is written, proved and tried in that study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.llm.client import LanguageModel
from graph.bookshelf import workspace_library
from graph.ingest_record import IngestRecord, proposal_of
from graph.ingesting import Desk, ingest
from graph.readings import FOLDER, Readings
from knowledge.embedding import LocalEmbedder
from knowledge.fetching import ArxivClient
from knowledge.ideas import ideas
from neuramosaic.store.store import Store


@dataclass(frozen=True)
class TakenIn:
    """What came of reading papers.

    Attributes:
        told: What came of each, in words.
        cards: The components that they describe and that are to be written: `card` (YAML) and `proposal`, for a
            writing's record.
    """

    told: str
    cards: tuple[dict[str, Any], ...] = field(default=())


def paper_reader(
    store: Store, workspace: Path, model: LanguageModel | None, say: Callable[[str], None]
) -> Callable[[str], TakenIn]:
    """Return what reads papers into a workspace's library, with the model of a study, within its caps.

    Args:
        store: The workspace's store.
        workspace: Its directory.
        model: Who is asked what a paper describes; without it papers are indexed only.
        say: Told how it goes, as a line for people.
    """

    def start(_opened: ExitStack) -> LanguageModel:
        assert model is not None
        return model

    def read(reference: str) -> TakenIn:
        embedder = LocalEmbedder()
        with workspace_library(store, workspace, embedder) as library:
            desk = Desk(
                library,
                lambda: ArxivClient(workspace / FOLDER / "arxiv"),
                model=None if model is None else start,
                ideas=ideas(),
                embedder=embedder,
                write=False,  # by the study itself, which may ask a person first
                say=say,
            )
            records = list(ingest([reference], store, workspace, desk))
            cards = []
            for record in records:
                paper = library.paper(record.paper) if record.paper else None
                found = Readings(workspace).find(paper.sha256) if paper else None
                if paper and found and found.card is not None and found.relation in ("new", "variant"):
                    cards.append({"card": found.card.to_yaml(), "proposal": proposal_of(found, paper)})
        return TakenIn("; ".join(map(_told, records)), tuple(cards))

    return read


def _told(record: IngestRecord) -> str:
    parts = [f"{item['slot']} {item['name']} ({item['relation']})" for item in record.components]
    what = ", ".join(parts) or record.message or f"{record.chunks} passages"
    return f"{record.title or record.ref}: {record.status}, {what}"
