"""The library of a workspace, with the embedder and the built-in ideas that this program brings along."""

from __future__ import annotations

from pathlib import Path

from knowledge.embedding import Embedder, EmbeddingError, LocalEmbedder, model_files
from knowledge.ideas import as_papers, ideas
from knowledge.library import Library
from knowledge.papers import Hit
from neuramosaic.store.store import Store


def workspace_library(store: Store, workspace: Path, embedder: Embedder | None = None) -> Library:
    """Return the library of a workspace; close it when done.

    Args:
        store: The workspace's store.
        workspace: Its directory.
        embedder: What makes vectors; the local one by default.
    """
    return Library(store, workspace, embedder or LocalEmbedder(), builtin=as_papers(ideas()))


class OpenedLater:
    """Searches the library of a workspace, opened at the first question; finds nothing while it holds no paper.

    A study that has only the built-in ideas to go by never pays for loading the embedder.

    Args:
        store: The workspace's store.
        workspace: Its directory.
        embedder: What makes vectors; the local one by default.
    """

    def __init__(self, store: Store, workspace: Path, embedder: Embedder | None = None) -> None:
        self._store, self._workspace, self._embedder = store, workspace, embedder
        self._library: Library | None = None

    def search(self, text: str, limit: int) -> list[Hit]:
        """Return the passages of papers nearest to a text, the nearest first, at most `limit`.

        Raises:
            NeuraMosaicError: If the library cannot be opened or searched.
        """
        if not self._store.rows("SELECT 1 FROM papers WHERE NOT builtin LIMIT 1"):
            return []
        if self._library is None:
            self._library = workspace_library(self._store, self._workspace, self._embedder)
        return self._library.search(text, limit)

    def close(self) -> None:
        """Close the library, if it was opened."""
        if self._library is not None:
            self._library.close()
            self._library = None


def embedder_problem() -> str | None:
    """Return why the local embedder cannot be used, or None if it is installed."""
    try:
        model_files()
    except EmbeddingError as error:
        return str(error)
    return None
