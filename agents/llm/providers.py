"""Who is asked: from a person's choice to a provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.llm.base import Provider
from agents.llm.budget import check_priced
from agents.llm.replay import ReplayProvider
from neuramosaic.errors import UnknownNameError, UsageError
from neuramosaic.store.ledger import Ledger

#: The providers that can be chosen by name.
PROVIDERS = ("openai", "local", "replay")


@dataclass(frozen=True)
class ProviderChoice:
    """Which provider, and what it needs to know.

    Attributes:
        provider: openai, local or replay.
        model: openai: the model, as the server calls it.
        url: openai: address of the server, up to and including `/v1`.
        gguf: local: file of the model; by default the installed one.
        study: replay: the study whose ledger answers.
        timeout_s: Wall time of an attempt; by default the provider's own.
    """

    provider: str
    model: str | None = None
    url: str | None = None
    gguf: Path | None = None
    study: str | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        """Check that what is given belongs together.

        Raises:
            UnknownNameError: If there is no such provider.
            UsageError: If something is given that the provider does not take, or is missing.
        """
        if self.provider not in PROVIDERS:
            raise UnknownNameError("language model", self.provider, PROVIDERS)
        takes = {"openai": ("model", "url"), "local": ("gguf",), "replay": ("study",)}[self.provider]
        for name in ("model", "url", "gguf", "study"):
            if getattr(self, name) is not None and name not in takes:
                raise UsageError(f"language model {self.provider!r} takes {' and '.join(takes)}, not {name}")
        if self.provider == "replay" and self.study is None:
            raise UsageError("a replay needs the name of the study whose answers it repeats")


def check_provider(choice: ProviderChoice, *, max_usd: float | None = None) -> None:
    """Check that a provider can be made here, without starting or asking anything.

    Args:
        choice: Which; whether a replay's study exists is not looked at.
        max_usd: The cap in USD that it is to be used with, or None.

    Raises:
        ProviderUnavailableError: If it cannot run on this machine.
        InvalidValueError: If what was chosen cannot be, or the cap cannot be kept because no price is known.
        UsageError, DataError: If what was chosen cannot be.
    """
    if choice.provider == "local":
        from agents.llm.local import check_local  # heavy, and an extra

        check_local(choice.gguf)
    elif choice.provider == "openai":
        provider = _openai(choice)
        check_priced(provider.model, provider.price, max_usd)


def create_provider(
    choice: ProviderChoice, ledger: Ledger, *, on_progress: Callable[[str], None] | None = None
) -> Provider:
    """Make a provider; whoever asked closes it.

    Args:
        choice: Which.
        ledger: The workspace's ledger, for a replay.
        on_progress: Told what takes long, as a line for people.

    Raises:
        ProviderUnavailableError: If it cannot run on this machine.
        InvalidValueError, UsageError, DataError: If what was chosen cannot be.
    """
    if choice.provider == "replay":
        assert choice.study is not None
        return ReplayProvider(ledger, choice.study)
    if choice.provider == "local":
        from agents.llm.local import LocalProvider  # heavy, and an extra

        timeout: dict[str, Any] = {} if choice.timeout_s is None else {"timeout_s": choice.timeout_s}
        return LocalProvider(choice.gguf, on_progress=on_progress, **timeout)
    return _openai(choice)


def _openai(choice: ProviderChoice) -> Provider:
    from agents.llm.openai import DEFAULT_MODEL, OpenAIProvider  # imports langchain

    timeout: dict[str, Any] = {} if choice.timeout_s is None else {"timeout_s": choice.timeout_s}
    return OpenAIProvider(choice.model or DEFAULT_MODEL, base_url=choice.url, **timeout)
