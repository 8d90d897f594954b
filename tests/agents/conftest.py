"""A language model over the real HTTP server, in a workspace of its own, that does not really wait between attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.llm.base import Provider
from agents.llm.client import LanguageModel
from agents.llm.keys import KEY_VARIABLE
from agents.llm.openai import OpenAIProvider
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store

KEY = "sk-planted-3f9a1c77e2"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment, as a user has it."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return KEY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        opened.create_study("recall", {}, {}, "v")
        yield opened


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the client wanted to wait."""
    return []


@pytest.fixture
def make(ledger: Ledger, waits: list[float]) -> Callable[..., LanguageModel]:
    """Make a client of the study recall-1."""

    def client(provider: Provider, **settings: Any) -> LanguageModel:
        settings = {"study": "recall-1", "rng": np.random.default_rng(0), **settings}
        return LanguageModel(provider, ledger, sleep=waits.append, **settings)

    return client


@pytest.fixture
def model(model_server: Any, make: Callable[..., LanguageModel]) -> LanguageModel:
    """A client of the loopback server with tight limits."""
    return make(OpenAIProvider("m", base_url=model_server.url, timeout_s=1.0, max_response_bytes=1 << 20))
