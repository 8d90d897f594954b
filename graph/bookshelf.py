"""The library of a workspace, with the embedder and the built-in ideas that this program brings along."""

from __future__ import annotations

from pathlib import Path

from knowledge.embedding import Embedder, EmbeddingError, LocalEmbedder, model_files
from knowledge.ideas import as_papers, ideas
from knowledge.library import Library
from neuramosaic.store.store import Store


def workspace_library(store: Store, workspace: Path, embedder: Embedder | None = None) -> Library:
    """Return the library of a workspace; close it when done.

    Args:
        store: The workspace's store.
        workspace: Its directory.
        embedder: What makes vectors; the local one by default.
    """
    return Library(store, workspace, embedder or LocalEmbedder(), builtin=as_papers(ideas()))


def embedder_problem() -> str | None:
    """Return why the local embedder cannot be used, or None if it is installed."""
    try:
        model_files()
    except EmbeddingError as error:
        return str(error)
    return None
