"""The library: the papers of a workspace, kept in the store and searched by meaning and by words."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from knowledge.embedding import Embedder, EmbeddingError, Vectors
from knowledge.fusion import fuse, words_query
from knowledge.index import FOLDER, IndexDamagedError, VectorIndex
from knowledge.locking import LockedError, locked
from knowledge.papers import Hit, Paper, PaperError, Passage
from knowledge.shelf import BUILTIN, Added, IndexState, Shelf, checked, content_of
from neuramosaic.errors import NeuraMosaicError, NotFoundError
from neuramosaic.store.store import Store

Retrieval = Literal["vectors", "words"]

_log = logging.getLogger(__name__)
_DEEP = 50  # passages that each retrieval brings to the fusion
_EMBEDDED_AT_ONCE = 32  # passages; a killed process loses the vectors of so many at most
_PAPERS_AT_ONCE = 32  # papers handed to the index in one change
_ADDING_S = 600.0  # seconds to wait for another process that adds a paper
_CHANGING_S = 60.0  # seconds to wait for another process that changes the index
_CLOCK_NS = 2_000_000_000  # by how much a file's time may be off


class EmbedderMismatchError(NeuraMosaicError):
    """The index was made with another embedder: its vectors say nothing about those of this one."""


def embedded_text(title: str, passage: Passage) -> str:
    """Return what is embedded of a passage: its text, with what says where it stands, since few say it themselves."""
    return "\n".join(part for part in (title, passage.section, passage.text) if part)


class Library:
    """The papers of a workspace. Safe to use from several threads, and from several processes at once.

    The store is the truth; the vector index beside it is made from it, and what is missing there after a process was
    killed is completed by the next one that uses it. One process adds at a time, others wait for it; searching goes on.

    Args:
        store: The workspace's store; it stays open as long as the library is used.
        workspace: Folder of the workspace, in which the index has its own.
        embedder: What makes the vectors. Listing papers does not use it.
        builtin: A knowledge base that is searched too: its papers with their passages. They are indexed at first use
            under ids that begin with "builtin:", again when they change, and removed when they are no more part of it.
            Without any, those of earlier uses stay.
    """

    def __init__(
        self,
        store: Store,
        workspace: Path,
        embedder: Embedder,
        *,
        builtin: Sequence[tuple[Paper, Sequence[Passage]]] = (),
    ) -> None:
        self._shelf = Shelf(store)
        self._workspace = workspace
        self._embedder = embedder
        self._builtin = builtin
        self._index = VectorIndex(workspace)
        self._lock = threading.RLock()
        self._seen: tuple[str, int] | None = None  # build and changes of the index as it is loaded
        self._settled = False

    def close(self) -> None:
        """Let go of the index. The next use opens it again."""
        with self._lock:
            self._index.close()
            self._seen = None

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is there -------------------------------------------------------------------------------------------------

    def papers(self, *, builtin: bool = False) -> list[Paper]:
        """Return the papers in the order in which they were added, or those of the built-in knowledge base."""
        return self._shelf.papers(builtin=builtin)

    def paper(self, paper: str) -> Paper:
        """Return a paper.

        Raises:
            NotFoundError: If it is not there.
        """
        found = self._shelf.paper(paper)
        if found is None:
            raise NotFoundError("paper", paper, [item.id for item in self.papers()])
        return found

    def with_file(self, sha256: str) -> Paper | None:
        """Return the paper whose PDF has this content, whatever its id, or None."""
        return self._shelf.with_file(sha256)

    def replaced(self, paper: str) -> int | None:
        """Return the version of a paper that the present one replaced, or None."""
        return self._shelf.replaced(paper)

    def passages(self, paper: str) -> list[Passage]:
        """Return the passages of a paper in order.

        Raises:
            NotFoundError: If the paper is not there.
        """
        return self._shelf.passages(self.paper(paper).id)

    # -- changing it ---------------------------------------------------------------------------------------------------

    def add(self, paper: Paper, passages: Sequence[Passage], *, anew: bool = False) -> Added:
        """Add a paper and index it; adding the same file again changes nothing.

        A newer version, or another file of the same version, replaces the passages; an older version does not.

        Args:
            paper: The paper.
            passages: All its passages.
            anew: Replace the passages of the same file too, as when it was read in a better way.

        Returns:
            What was done; true if anything was.

        Raises:
            PaperError: If it has no passages, or they are not its own.
            EmbedderMismatchError: If the index was made with another embedder.
            EmbeddingError: If no vectors could be had. The paper is kept and found by its words; it is indexed with the
                next use.
        """
        kept = checked(paper, passages)
        if paper.id.startswith(BUILTIN):
            raise PaperError(paper.id, f"ids that begin with {BUILTIN!r} are those of the built-in knowledge base")
        with self._adding():
            self._check_embedder()
            outcome = self._shelf.put(paper, kept, anew=anew)
            if outcome is Added.REPLACED:
                _log.info("%s: version %s replaces %s", paper.id, paper.version, self.replaced(paper.id))
            self._settle()
        return outcome

    def remove(self, paper: str) -> None:
        """Remove a paper with all its passages.

        Raises:
            NotFoundError: If it is not there.
            PaperError: If it belongs to the built-in knowledge base.
        """
        if paper.startswith(BUILTIN):
            raise PaperError(paper, "the built-in knowledge base cannot be removed")
        with self._adding():
            self._check_embedder()
            if not self._shelf.drop(paper):
                raise NotFoundError("paper", paper, [item.id for item in self.papers()])
            self._settle()

    def repair(self) -> None:
        """Compare the index with the store passage by passage, and complete or rebuild it.

        Raises:
            EmbedderMismatchError: If the index was made with another embedder.
            EmbeddingError: If vectors are missing and cannot be had.
        """
        with self._adding():
            self._check_embedder()
            self._settle(thoroughly=True)

    def reindex(self) -> None:
        """Make all vectors and the index anew, with this embedder. A killed run goes on with the next use."""
        with self._adding():
            self._begin(forget_vectors=True)
            self._settle()

    # -- searching -----------------------------------------------------------------------------------------------------

    def search(
        self,
        text: str,
        limit: int = 5,
        *,
        papers: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        by: Sequence[Retrieval] = ("vectors", "words"),
    ) -> list[Hit]:
        """Return the passages nearest to a text, by meaning (vectors) and by words (bm25), fused by reciprocal rank.

        Args:
            text: A question or some words; none of it acts as syntax.
            limit: How many passages at most.
            papers: Only passages of these papers.
            kinds: Only passages of these kinds.
            by: The retrievals to use.

        Raises:
            EmbedderMismatchError: If the index was made with another embedder.
            EmbeddingError: If the text cannot be embedded.
        """
        nothing = (papers is not None and not papers) or (kinds is not None and not kinds)
        if not text.strip() or limit < 1 or nothing:
            return []
        deep = max(_DEEP, limit)
        rankings: dict[str, list[int]] = {}
        if "vectors" in by:
            state = self._ready()
            if state is not None:
                rankings["vectors"] = self._nearest(self._embed([text])[0], deep, papers, kinds)
        if "words" in by and (query := words_query(text)):
            rankings["words"] = self._shelf.words(query, deep, papers=papers, kinds=kinds)
        fused = fuse(rankings)
        found = self._shelf.found([item for item, _, _ in fused])
        hits = [Hit(*found[item], score, names) for item, score, names in fused if item in found]
        return hits[:limit]

    def _nearest(
        self, vector: Vectors, count: int, papers: Sequence[str] | None, kinds: Sequence[str] | None
    ) -> list[int]:
        """Ask the index; one that another process has changed meanwhile is opened again."""
        for last in (False, True):
            try:
                with self._lock, self._reading():
                    if self._seen is None:
                        return []
                    return self._index.nearest(vector, count, papers=papers, kinds=kinds)
            except IndexDamagedError:
                self._seen, self._settled = None, False
                if last:
                    raise
                self._ready()
        return []

    def _ready(self) -> IndexState | None:
        """Open the index as it is now, and complete it unless another process is about to; None if there is none."""
        with self._lock:
            self._check_embedder()
            if not self._settled:
                try:
                    with self._adding(wait_s=0.0):
                        self._settle()
                except LockedError:
                    pass  # the process that adds completes it; what is there can be searched
            state = self._shelf.index()
            if state is not None and self._seen != (state.build, state.changes):
                try:
                    with self._changing_alone():
                        self._open(self._shelf.index() or state)
                except (IndexDamagedError, LockedError) as error:
                    _log.warning("searching by words alone: %s", error)
                    self._seen = None
            return state

    # -- keeping the index and the store together ----------------------------------------------------------------------

    @contextmanager
    def _adding(self, wait_s: float = _ADDING_S) -> Iterator[None]:
        with self._lock:
            self._workspace.mkdir(parents=True, exist_ok=True)
            with locked(self._workspace / "papers.lock", wait_s=wait_s, what="is adding papers"):
                yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with locked(self._chroma_lock, shared=True, wait_s=_CHANGING_S, what="changes the vector index"):
            yield

    @contextmanager
    def _changing_alone(self) -> Iterator[None]:
        with locked(self._chroma_lock, wait_s=_CHANGING_S, what="uses the vector index"):
            yield

    @property
    def _chroma_lock(self) -> Path:
        return self._workspace / f"{FOLDER}.lock"

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change the index: nobody reads it meanwhile, and the store says that a change was begun."""
        with self._changing_alone():
            self._shelf.begin_change(time.time_ns())
            yield
            self._index.load(self._embedder.dimension)
            self._shelf.end_change(self._index.files())
            state = self._shelf.index()
            self._seen = (state.build, state.changes) if state is not None else None

    def _check_embedder(self) -> None:
        state = self._shelf.index()
        ours = (self._embedder.name, self._embedder.dimension)
        if state is not None and (state.embedder, state.dimension) != ours:
            raise EmbedderMismatchError(
                f"the papers of this workspace were indexed with {state.embedder} ({state.dimension} numbers a"
                f" passage), not with {ours[0]} ({ours[1]}): use that embedder, or index them anew with reindex()"
            )

    def _embed(self, texts: Sequence[str]) -> Vectors:
        vectors = self._embedder.embed(texts)
        if vectors.shape != (len(texts), self._embedder.dimension):
            raise EmbeddingError(f"{self._embedder.name} gave vectors of shape {vectors.shape}")
        return vectors

    def _settle(self, *, thoroughly: bool = False) -> None:
        """Bring the index to what the store says. The caller holds the lock for adding."""
        self._keep_builtin()
        state = self._shelf.index()
        if state is None:
            if not self._shelf.without_vector(1):
                return  # nothing to index yet
            state = self._begin(forget_vectors=True)
        try:
            self._complete(state, thoroughly=thoroughly)
        except IndexDamagedError as error:
            _log.warning("making the vector index anew: %s", error)
            self._complete(self._begin(forget_vectors=False), thoroughly=False)
        self._settled = True

    def _begin(self, *, forget_vectors: bool) -> IndexState:
        """Begin an empty index; what it is to hold comes from the store."""
        build = uuid.uuid4().hex[:12]
        with self._changing_alone():
            self._seen = None
            self._index.close()
            self._shelf.begin_index(self._embedder.name, self._embedder.dimension, build, forget_vectors=forget_vectors)
            self._index.destroy()
        state = self._shelf.index()
        assert state is not None
        return state

    def _complete(self, state: IndexState, *, thoroughly: bool) -> None:
        if self._seen != (state.build, state.changes) or thoroughly:
            with self._changing_alone():
                self._open(state, create=not state.files)
        while missing := self._shelf.without_vector(_EMBEDDED_AT_ONCE):
            vectors = self._embed([embedded_text(title, passage) for _, title, passage in missing])
            self._shelf.keep_vectors([item for item, _, _ in missing], vectors)
        while (removed := self._shelf.removed()) or self._shelf.unindexed(1):
            papers = self._shelf.unindexed(_PAPERS_AT_ONCE)
            with self._changing():
                if removed:
                    self._index.remove(removed)
                if papers:
                    self._index.put(*self._shelf.vectors_of(papers))
            self._shelf.mark_indexed(papers)
            self._shelf.forget_removed(removed)
        if thoroughly or self._index.count() != self._shelf.indexed_count():
            self._compare()

    def _compare(self) -> None:
        """Remove from the index what it should not hold, and add what it should."""
        held, wanted = self._index.ids(), self._shelf.indexed_ids()
        if held != wanted:
            with self._changing():
                self._index.remove(sorted(held - wanted))
                if missing := sorted(wanted - held):
                    self._index.put(*self._shelf.vectors_at(missing))

    def _open(self, state: IndexState, *, create: bool = False) -> None:
        """Load the index as the store describes it; the caller holds the lock for changing it.

        Raises:
            IndexDamagedError: If a process was killed while the files of its graph were written, or they are not those
                that were written, or cannot be read. Chroma crashes on some of these, and finds little with others.
        """
        self._seen = None
        self._index.close()
        if state.writing and self._index.written_since(state.writing - _CLOCK_NS):
            raise IndexDamagedError("a process ended while it wrote the vector index")
        found = self._index.files()
        if not state.writing and found != state.files:
            raise IndexDamagedError("the files of the vector index are not those that were written")
        self._index.open(state.build, state.dimension, create=create)
        self._seen = (state.build, state.changes)

    def _keep_builtin(self) -> None:
        if not self._builtin:
            return
        present = self._shelf.contents()
        given = set()
        for paper, passages in self._builtin:
            kept = replace(paper, id=f"{BUILTIN}{paper.id}")
            theirs = checked(kept, [replace(passage, paper=kept.id) for passage in passages])
            given.add(kept.id)
            if present.get(kept.id) != content_of(kept, theirs):
                self._shelf.put(kept, theirs, builtin=True)
        for gone in present.keys() - given:
            self._shelf.drop(gone)
