"""The vector index: Chroma in a folder of the workspace. It is made from the store, and can always be made anew."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knowledge.embedding import Vectors
from neuramosaic.errors import NeuraMosaicError

FOLDER = "chroma"
_COLLECTION = "passages"
# Chroma asks of what it writes that a batch stays below its own limit (5,461 here); the index is kept far below it.
_BATCH = 2000
# Chroma lets all clients of one path share what they have loaded, even when another process has changed the files.
# Each of ours spells the path in its own way.
_serial = itertools.count(1)


class IndexDamagedError(NeuraMosaicError):
    """The folder of the index cannot be read, or does not hold what the store says; it has to be made anew."""


class VectorIndex:
    """Vectors of passages by the passages' numbers in the store.

    One process writes at a time, and nobody reads meanwhile: the caller sees to it. What another process has changed is
    seen after closing and opening again only.

    Args:
        workspace: Folder in which the index has its own.
    """

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / FOLDER
        self._client: Any = None
        self._collection: Any = None

    def open(self, build: str, dimension: int, *, create: bool) -> None:
        """Open the index, and load what it holds.

        Args:
            build: Id under which it was, or is to be, made.
            dimension: Length of its vectors.
            create: Make it if there is none.

        Raises:
            IndexDamagedError: If it cannot be read, is none or another one.
        """
        self.close()
        if not create and not self.folder.is_dir():
            raise IndexDamagedError(f"there is no vector index in {self.folder}")
        import chromadb
        from chromadb.config import Settings

        spelling = "".join("/." if bit == "1" else "/" for bit in f"{next(_serial):b}")
        with self._errors():
            self._client = chromadb.PersistentClient(
                f"{self.folder.resolve()}{spelling}",
                settings=Settings(anonymized_telemetry=False, _env_file=None),  # type: ignore[call-arg]
            )
            if create:
                self._collection = self._client.get_or_create_collection(
                    _COLLECTION,
                    embedding_function=None,  # none is ever asked for, and none downloaded
                    configuration={"hnsw": {"space": "cosine"}},
                    metadata={"build": build},
                )
            else:
                self._collection = self._client.get_collection(_COLLECTION, embedding_function=None)
            found = (self._collection.metadata or {}).get("build")
            if found != build:
                raise IndexDamagedError(f"{self.folder} holds another vector index ({found}, not {build})")
            self.load(dimension)

    def load(self, dimension: int) -> None:
        """Let Chroma take up what was written: it does so with the first query.

        Raises:
            IndexDamagedError: If that fails.
        """
        with self._errors():
            self._collection.query(query_embeddings=[[1.0] + [0.0] * (dimension - 1)], n_results=1, include=[])

    def close(self) -> None:
        """Let go of the files."""
        client, self._client, self._collection = self._client, None, None
        if client is not None:
            client.close()

    def destroy(self) -> None:
        """Remove the folder.

        Raises:
            IndexDamagedError: If it cannot be removed.
        """
        self.close()
        try:
            if self.folder.is_dir():
                shutil.rmtree(self.folder)
            else:
                self.folder.unlink(missing_ok=True)
        except OSError as error:
            raise IndexDamagedError(f"cannot remove the vector index {self.folder}: {error}") from error

    def put(self, ids: Sequence[int], vectors: Vectors, papers: Sequence[str], kinds: Sequence[str]) -> None:
        """Add vectors, shape `(n, dimension)`, or replace those of the same ids."""
        with self._errors():
            for begin in range(0, len(ids), _BATCH):
                part = slice(begin, begin + _BATCH)
                self._collection.upsert(
                    ids=[str(item) for item in ids[part]],
                    embeddings=vectors[part],
                    metadatas=[
                        {"paper": paper, "kind": kind} for paper, kind in zip(papers[part], kinds[part], strict=True)
                    ],
                )

    def remove(self, ids: Sequence[int]) -> None:
        """Remove vectors; ids that it does not hold are passed over."""
        with self._errors():
            for begin in range(0, len(ids), _BATCH):
                self._collection.delete(ids=[str(item) for item in ids[begin : begin + _BATCH]])

    def nearest(
        self, vector: Vectors, count: int, *, papers: Sequence[str] | None, kinds: Sequence[str] | None
    ) -> list[int]:
        """Return the ids of the vectors nearest to one of shape `(dimension,)`, nearest first.

        Args:
            vector: Of length 1.
            count: How many at most.
            papers: Only passages of these.
            kinds: Only passages of these kinds.
        """
        clauses: list[dict[str, Any]] = [
            {name: {"$in": list(values)}} for name, values in (("paper", papers), ("kind", kinds)) if values is not None
        ]
        where = None if not clauses else clauses[0] if len(clauses) == 1 else {"$and": clauses}
        with self._errors():
            answer = self._collection.query(query_embeddings=[vector], n_results=count, where=where, include=[])
        return [int(item) for item in answer["ids"][0]]

    def count(self) -> int:
        """Return how many vectors it holds."""
        with self._errors():
            return int(self._collection.count())

    def ids(self) -> set[int]:
        """Return the ids of all that it holds."""
        with self._errors():
            return {int(item) for item in self._collection.get(include=[])["ids"]}

    def files(self) -> dict[str, int]:
        """Return the bytes of each file of the graph; a damaged one can crash the process that opens it."""
        return {str(path.relative_to(self.folder)): path.stat().st_size for path in self._graph()}

    def written_since(self, time_ns: int) -> bool:
        """Say whether a file of the graph was written after a time, in nanoseconds of the clock."""
        return any(path.stat().st_mtime_ns >= time_ns for path in self._graph())

    def _graph(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*/*") if path.is_file())

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from chromadb.errors import ChromaError

        try:
            yield
        except IndexDamagedError:
            self.close()
            raise
        except (ChromaError, OSError, ValueError, KeyError) as error:
            self.close()
            raise IndexDamagedError(f"the vector index {self.folder} cannot be read: {error}") from error
        except BaseException as error:
            # A panic of Chroma's Rust is no Exception, and its class cannot be imported.
            if type(error).__name__ != "PanicException":
                raise
            self.close()
            raise IndexDamagedError(f"the vector index {self.folder} cannot be read: {error}") from None
