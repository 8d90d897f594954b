"""The library of a workspace, with the embedder and the built-in ideas that this program brings along."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from knowledge.embedding import Embedder, EmbeddingError, LocalEmbedder, model_files
from knowledge.library import Library
from neuramosaic.store.store import Store


def workspace_library(store: Store, workspace: Path, embedder: Embedder | None = None) -> Library:
    """Return the library of a workspace; close it when done.

    Args:
        store: The workspace's store.
        workspace: Its directory.
        embedder: What makes vectors; the local one by default.
    """
    return Library(store, workspace, embedder or LocalEmbedder(), builtin=_builtin())


def builtin_ideas() -> tuple[Any, ...]:
    """Return the built-in ideas."""
    try:
        return tuple(importlib.import_module("knowledge.ideas").ideas())
    except ModuleNotFoundError:
        return ()


def embedder_problem() -> str | None:
    """Return why the local embedder cannot be used, or None if it is installed."""
    try:
        model_files()
    except EmbeddingError as error:
        return str(error)
    return None


def _builtin() -> list[Any]:
    known = builtin_ideas()
    return list(importlib.import_module("knowledge.ideas").as_papers(known)) if known else []
