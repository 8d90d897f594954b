"""The language model of a study: chosen by its configuration, checked before anything is stored, opened with caps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from agents.llm.base import Provider
from agents.llm.budget import Budget
from agents.llm.client import LanguageModel
from agents.llm.keys import redact
from agents.llm.patience import Patience
from agents.llm.providers import ProviderChoice, check_provider, create_provider
from neuramosaic.errors import UsageError
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

#: Options that only a language model gives a meaning.
_OPTIONS = ("llm_model", "llm_url", "llm_gguf", "replay", "max_usd", "max_llm_tokens")
#: A replay gives as many attempts as the ledger holds.
_REPLAYED_ATTEMPTS = 100_000


def provider_choice(config: StudyConfig) -> ProviderChoice | None:
    """Return who answers in a study, or None if nobody is asked.

    Raises:
        UsageError: If the options contradict one another.
    """
    if config.llm == "none":
        given = [name for name in _OPTIONS if getattr(config, name) is not None]
        if given:
            verb = "needs" if len(given) == 1 else "need"
            raise UsageError(f"{', '.join(given)} {verb} a language model: name one with --llm, or leave it out")
        return None
    return ProviderChoice(
        config.llm,
        model=config.llm_model,
        url=config.llm_url,
        gguf=Path(config.llm_gguf) if config.llm_gguf is not None else None,
        study=config.replay,
    )


def check_language_model(config: StudyConfig) -> None:
    """Check that the model of a study can be asked from here; nothing is started or sent.

    Raises:
        UsageError: If the options contradict one another.
        InvalidValueError, DataError: If a value cannot be.
        ProviderUnavailableError: If the provider cannot run on this machine.
    """
    choice = provider_choice(config)
    if choice is not None:
        check_provider(choice, max_usd=config.max_usd)


@contextmanager
def open_language_model(
    config: StudyConfig, study: str, store: Store, on_event: Callable[[str], None]
) -> Iterator[LanguageModel | None]:
    """Start what answers in a study, and stop it at the end; None if nobody is asked.

    Args:
        config: The study's configuration.
        study: Its id.
        store: Store of the workspace; what earlier sessions spent counts against the caps.
        on_event: Told what a person should know, as a line.

    Raises:
        NeuraMosaicError: What `check_language_model` raises, and if a server does not start.
    """
    choice = provider_choice(config)
    if choice is None:
        yield None
        return
    ledger = Ledger(store)
    with closing(create_provider(choice, ledger, on_progress=_now_and_then(on_event))) as provider:
        on_event(f"asking {provider.model} ({provider.name})")
        yield _client(provider, ledger, config, study, on_event)


def _client(
    provider: Provider, ledger: Ledger, config: StudyConfig, study: str, on_event: Callable[[str], None]
) -> LanguageModel:
    if config.llm == "replay":  # the ledger says when nobody was asked, and waits for nothing
        return LanguageModel(
            provider,
            ledger,
            rng=np.random.default_rng(),
            study=study,
            attempts=_REPLAYED_ATTEMPTS,
            sleep=lambda seconds: None,
        )
    return LanguageModel(
        provider,
        ledger,
        rng=np.random.default_rng(),  # jitter between attempts, which no result depends on
        study=study,
        budget=Budget(config.max_llm_tokens, config.max_usd, spent=ledger.spent(study)),
        patience=Patience(lambda line: on_event(redact(f"the language model is left alone for a while: {line}"))),
    )


def _now_and_then(on_event: Callable[[str], None]) -> Callable[[str], None]:
    """Thin out a progress of a hundred lines: each line with another number of tens of per cent."""
    last = ""

    def tell(line: str) -> None:
        nonlocal last
        tens = line.rstrip("%")[:-1]
        if tens != last:
            last = tens
            on_event(line)

    return tell
