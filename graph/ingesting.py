"""From papers to components: each is fetched, read, indexed and asked about, and what it brings is written and proved.

One bad paper stops nothing but itself. What is done is not done again: files lie under the name of their content,
passages are in the library, findings beside the files, answers in the ledger, components among the writings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from agents.llm.base import BudgetSpentError, MalformedError, ModelError, TruncatedError
from agents.llm.client import LanguageModel
from agents.paper_reader.evidence import Search
from agents.paper_reader.findings import PaperFindings
from agents.paper_reader.kinship import KnownIdea, TextEmbedder
from agents.paper_reader.plain import plain
from agents.paper_reader.reader import PaperReader
from graph.ingest_record import IngestRecord, Status, outcome_of, proposal_of, why_not
from graph.readings import Readings
from graph.sources import USUAL_RESULTS, PaperServer, Source, sources
from graph.workshop import Workshop
from graph.writing import recall
from knowledge.chunking import passages as passages_of
from knowledge.fetching import file_paper
from knowledge.papers import Document, Paper, PaperError, Passage
from knowledge.reading import read_pdf
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import Provenance
from neuramosaic.errors import NeuraMosaicError, SandboxError
from neuramosaic.store.components import workspace_catalogue
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import WritingRecord, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings, card_id

#: Source of a writing whose card comes from a paper.
SOURCE = "paper"
#: Folder for what arXiv answered, within that of the papers.
DOWNLOADS = "downloads"


class PaperLibrary(Protocol):
    """Where passages are kept and found: `knowledge.library.Library`."""

    @property
    def search(self) -> Search:
        """How passages are found."""

    def add(self, paper: Paper, passages: Sequence[Passage]) -> object:
        """Add a paper; adding it again changes nothing."""

    def papers(self) -> list[Paper]:
        """Return the papers."""

    def passages(self, paper: str) -> list[Passage]:
        """Return the passages of a paper."""


@dataclass
class Desk:
    """What papers are read with.

    Attributes:
        library: Where passages are kept and found.
        server: Makes who is asked of arXiv.
        model: Starts the language model, for as long as a context is open; None: nobody is asked.
        ideas: The built-in ideas that papers are compared with.
        embedder: Says how near two texts are in meaning, or None.
        backend: Sandbox in which components are proved.
        write: Whether components are written.
        again: Whether papers that were read are read and written anew.
        say: Told how it goes, as a line for people.
    """

    library: PaperLibrary
    server: Callable[[], PaperServer]
    model: Callable[[ExitStack], LanguageModel] | None = None
    ideas: Sequence[KnownIdea] = ()
    embedder: TextEmbedder | None = None
    backend: str = "auto"
    write: bool = True
    again: bool = False
    say: Callable[[str], None] = field(default=lambda _line: None)


def ingest(
    references: Iterable[str], store: Store, workspace: Path, desk: Desk, *, most: int = USUAL_RESULTS
) -> Iterator[IngestRecord]:
    """Take papers in, one after the other, and tell what came of each as soon as it is known.

    Whoever stops listening, as a Ctrl-C does, loses nothing: the same call goes on where this one was.

    Args:
        references: arXiv ids, searches, PDF files and folders of them.
        store: The workspace's store.
        workspace: Its directory.
        desk: What papers are read with.
        most: Greatest number of papers of each search.
    """
    with ExitStack() as opened:
        run = _Run(store, workspace, desk, opened)
        found = sources(references, run.server, most)
        for number, source in enumerate(found, start=1):
            place = f"[{number}/{len(found)}] " if len(found) > 1 else ""
            yield run.take(source, place)


class _Run:
    """One run over some papers: the model and the sandbox are started when the first paper needs them."""

    def __init__(self, store: Store, workspace: Path, desk: Desk, opened: ExitStack) -> None:
        self._store, self._workspace, self._desk, self._opened = store, workspace, desk, opened
        self._readings, self._writings = Readings(workspace), Writings(store)
        self._model: LanguageModel | None = None
        self._workshop: Workshop | None = None
        self._server: PaperServer | None = None
        self._ended = ""  # why nobody is asked any more

    def server(self) -> PaperServer:
        """Return who is asked of arXiv."""
        if self._server is None:
            self._server = self._desk.server()
        return self._server

    def take(self, source: Source, place: str) -> IngestRecord:
        """Take in one paper, whatever is wrong with it."""
        name = plain(source.ref, 120)

        def say(line: str) -> None:
            self._desk.say(f"{place}{name}: {line}")

        record = IngestRecord(name, "failed")
        try:
            sha256, document, paper = self._opened_paper(source, say)
        except NeuraMosaicError as error:
            return self._told(record, error, say)
        except Exception as error:  # noqa: BLE001 - a file from anywhere: what trips a parser may not stop the others
            return self._told(record, error, say)
        record = replace(record, paper=paper.id, title=plain(paper.title, 300), pages=paper.pages)
        try:
            added = document is not None and bool(self._desk.library.add(paper, passages_of(document, paper.id)))
            held = self._desk.library.passages(paper.id)
            record = replace(record, chunks=len(held), status="unfinished")
            say(f"{paper.pages} pages, {len(held)} passages{'' if added else ', known already'}")
            return self._understood(record, paper, document, held, sha256, added, say)
        except (BudgetSpentError, SandboxError) as error:
            self._ended = str(error)
            return self._told(record, error, say)
        except NeuraMosaicError as error:
            if isinstance(error, ModelError) and not isinstance(error, MalformedError | TruncatedError):
                self._ended = str(error)  # it does not answer: the other papers are indexed, and asked about later
            return self._told(record, error, say)

    # -- the file ------------------------------------------------------------------------------------------------------

    def _opened_paper(self, source: Source, say: Callable[[str], None]) -> tuple[str, Document | None, Paper]:
        """Return the sha256 of a paper's file, which is kept, what was read of it, and what is known of it.

        Nothing is read of a file that is indexed and of which is known what it describes.
        """
        if source.problem is not None:
            raise source.problem
        file = source.file
        if file is None:
            assert source.paper is not None
            say("fetching")
            file = self.server().download(source.paper, self._readings.folder / DOWNLOADS)
        name = plain(source.ref, 120)
        sha256 = self._readings.content(file, name)
        indexed = next((item for item in self._desk.library.papers() if item.sha256 == sha256), None)
        found = self._readings.find(sha256)
        if indexed is not None and found is not None and found.paper == indexed.id and self._suffices(found):
            return sha256, None, indexed
        say("reading")
        document = read_pdf(file)  # before it is kept: what is no paper is not copied
        kept = self._readings.keep_file(file, sha256, name, own=source.file is None)
        paper = file_paper(kept, document, known=source.paper)
        if source.paper is None:
            assert source.file is not None
            paper = self._own_id(replace(paper, origin=plain(source.file.name, 200)), say)
        return sha256, document, paper

    def _own_id(self, paper: Paper, say: Callable[[str], None]) -> Paper:
        """Return a paper of a file under an id of its own, if it prints the id of another file that is there."""
        other = next((item for item in self._desk.library.papers() if item.id == paper.id), None)
        if other is None or other.sha256 == paper.sha256 or paper.arxiv_id is None:
            return paper
        say(f"it prints the id {paper.id}, which another file of the workspace has: kept apart")
        return replace(paper, id=f"file-{paper.sha256[:12]}", arxiv_id=None, version=None)

    # -- what it says --------------------------------------------------------------------------------------------------

    def _understood(
        self,
        record: IngestRecord,
        paper: Paper,
        document: Document | None,
        held: Sequence[Passage],
        sha256: str,
        added: bool,
        say: Callable[[str], None],
    ) -> IngestRecord:
        known = self._known(paper)
        found = self._readings.find(sha256)
        remembered = found is not None and found.paper == paper.id and self._suffices(found)
        if document is not None and (found is None or not remembered):
            found = self._read(paper, document, held, known, say)
            self._readings.keep(sha256, found)
        if found is None:
            raise PaperError(record.ref, "its record was removed while it was looked at; try again")
        for reason in () if remembered else found.reasons:
            say(reason)
        status: Status = "read" if found.model or found.relation == "same" else "indexed"
        if remembered and not added:
            status = "known"
        nearest = tuple(
            {"kind": item.kind, "slot": item.slot, "name": item.name, "similarity": item.similarity}
            for item in found.nearest
        )
        record = replace(record, nearest=nearest)
        if found.relation == "none":
            return replace(record, status=status, message=found.reasons[-1] if found.reasons else "")
        component: dict[str, Any] = {"name": found.name, "slot": found.slot, "relation": found.relation}
        record = replace(record, components=(component,))
        if found.relation == "same":
            return replace(record, status=status)
        component["verified"] = False
        if found.card is None:
            return replace(record, status=status, message=found.reasons[-1] if found.reasons else "")
        return self._written(record, status, found, paper, known, component, say)

    def _known(self, paper: Paper) -> Catalogue:
        """Return the components that exist; if the paper is read anew, without those that were made from it."""
        known = workspace_catalogue(self._store)
        if not self._desk.again:
            return known
        mine = {
            (item.slot, item.name)
            for item in self._writings.of_study(None)
            if item.source == SOURCE and item.proposal.get("paper") == paper.id
        }
        return Catalogue(
            spec
            for spec in known.specs
            if spec.provenance is Provenance.CATALOGUE or (spec.slot, spec.name) not in mine
        )

    def _suffices(self, found: PaperFindings) -> bool:
        """Whether a paper need not be read again: a model was asked, or nobody can be asked now either."""
        if self._desk.again:
            return False
        return bool(found.model) or self._desk.model is None or found.relation == "same"

    def _read(
        self,
        paper: Paper,
        document: Document,
        held: Sequence[Passage],
        known: Catalogue,
        say: Callable[[str], None],
    ) -> PaperFindings:
        """Ask what a paper describes. By its id alone or without a model it is told at once."""
        desk = self._desk
        reader = PaperReader(None, ideas=desk.ideas, embedder=desk.embedder)
        without = reader.read(paper, document, held, desk.library.search, known)
        if desk.model is None or without.relation == "same":
            return without
        model = self._asked()
        say(f"asking {model.provider.model} what it describes")
        ledger = None if desk.again else Ledger(self._store)
        reader = PaperReader(model, ideas=desk.ideas, embedder=desk.embedder, ledger=ledger)
        return reader.read(paper, document, held, desk.library.search, known)

    # -- what it brings ------------------------------------------------------------------------------------------------

    def _written(
        self,
        record: IngestRecord,
        status: Status,
        found: PaperFindings,
        paper: Paper,
        known: Catalogue,
        component: dict[str, Any],
        say: Callable[[str], None],
    ) -> IngestRecord:
        """Have the component of a paper written, or tell what became of it before."""
        assert found.card is not None
        wanted = card_id(found.card)
        before = [
            item
            for item in self._writings.of_study(None)
            if item.source == SOURCE and item.card_id == wanted and item.proposal.get("paper") == paper.id
        ]
        last = before[-1] if before else None
        if last is not None and last.state is not WritingState.OPEN and not self._desk.again:
            return self._remembered(record, status, last, component)
        if not self._desk.write or self._desk.model is None:
            return replace(record, status=status, message="its card is kept; nothing was written")
        if last is None or last.state is not WritingState.OPEN:
            last = self._writings.add(found.card, source=SOURCE, proposal=proposal_of(found, paper))
        say(f"writing {last.slot} {last.name}")
        written = self._workshop_of(say).write(last, known, again=self._desk.again)
        component |= outcome_of(written)
        message = "" if written.verified else why_not(written)
        return replace(record, status="read", message=message)

    def _remembered(
        self, record: IngestRecord, status: Status, writing: WritingRecord, component: dict[str, Any]
    ) -> IngestRecord:
        written = recall(writing, self._store, self._workspace)
        if written is not None:
            component |= outcome_of(written)
            return replace(record, status=status)
        failed = writing.failures[-1] if writing.failures else {"check": "?", "message": "?"}
        component |= {"verified": False, "writing": writing.id}
        message = f"{writing.name} could not be verified before ({failed['check']}: {failed['message']}); --again tries"
        return replace(record, status=status, message=message)

    def _asked(self) -> LanguageModel:
        """Return the language model, started.

        Raises:
            PaperError: If it has ended for this run.
            NeuraMosaicError: If it does not start.
        """
        if self._ended:
            raise PaperError("not asked about", self._ended)
        if self._model is None:
            assert self._desk.model is not None
            try:
                self._model = self._desk.model(self._opened)
            except NeuraMosaicError as error:
                self._ended = str(error)
                raise
        return self._model

    def _workshop_of(self, say: Callable[[str], None]) -> Workshop:
        model = self._asked()
        if self._workshop is None:
            self._workshop = Workshop(
                model, self._store, self._workspace, backend=self._desk.backend, on_progress=self._desk.say
            )
            self._opened.callback(self._workshop.close)
        return self._workshop

    def _told(self, record: IngestRecord, error: Exception, say: Callable[[str], None]) -> IngestRecord:
        message = error.problem if isinstance(error, PaperError) else str(error)
        if not isinstance(error, NeuraMosaicError):
            message = f"it cannot be read ({type(error).__name__}: {message})"
        message = plain(message, 500)
        say(f"{record.status}: {message}")
        return replace(record, message=message)
