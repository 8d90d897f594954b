"""What the tests of the room of papers share: makers of PDF files, and a server that speaks arXiv's API."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    """Load a file beside this one; tests are no package."""
    spec = importlib.util.spec_from_file_location(f"knowledge_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_PDFS, _SERVER = _load("pdfs"), _load("arxiv_server")


@pytest.fixture(scope="session")
def pdfs() -> Any:
    """The makers of PDF files in pdfs.py."""
    return _PDFS


@pytest.fixture
def arxiv_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server on loopback that speaks arXiv's API and serves PDF files; see arxiv_server.py."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with _SERVER.ArxivServer() as server:
        yield server
