"""From a sentence to a verified component: each step is kept in the workspace, and found there the next time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.bench import Bench
from agents.card_maker import CardMaker
from agents.llm.budget import Budget
from agents.llm.client import LanguageModel
from agents.llm.providers import ProviderChoice, check_provider, create_provider
from agents.writer.result import Written
from agents.writer.writer import ComponentWriter, WriterLimits
from graph.workshop import limits_of
from graph.writing import recall
from neuramosaic.components.card import Card
from neuramosaic.store.components import workspace_catalogue
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import WritingRecord, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings

SOURCE = "idea"


@dataclass(frozen=True)
class Caps:
    """The most that the language model may use for one idea, in one call of the command.

    Attributes:
        tokens: In and out, or None.
        usd: At list price, or None.
    """

    tokens: int | None = None
    usd: float | None = None


class Ideas:
    """The ideas of a workspace.

    Args:
        store: The workspace's store.
        workspace: Its directory.
    """

    def __init__(self, store: Store, workspace: Path) -> None:
        self._store, self._workspace = store, workspace
        self._writings = Writings(store)

    def find(self, text: str, slot: str | None = None) -> WritingRecord | None:
        """Return what came of an idea that was had before in the same words: the newest writing of its card, or None.

        Args:
            text: The idea; spaces do not matter.
            slot: The slot that it has to fill, if a person named one.
        """
        words = _words(text)
        known = [item for item in self._writings.of_study(None) if item.source == SOURCE]
        same = [item for item in known if item.proposal.get("idea") == words and slot in (None, item.slot)]
        return same[-1] if same else None

    def recall(self, writing: WritingRecord) -> Written | None:
        """Return what a writing brought, or None if it is OPEN or has FAILED."""
        return recall(writing, self._store, self._workspace)

    def make_card(self, text: str, model: LanguageModel, slot: str | None = None) -> WritingRecord:
        """Have a card made from an idea, and keep it as an OPEN writing.

        Raises:
            UsageError, ModelError, BudgetSpentError: What `CardMaker.card` raises; nothing is kept then.
        """
        made = CardMaker(model).card(text, workspace_catalogue(self._store), slot=slot)
        return self._writings.add(made.card, source=SOURCE, proposal={"idea": _words(text), **made.told()})

    def write(
        self,
        writing: WritingRecord,
        model: LanguageModel,
        *,
        backend: str,
        again: bool = False,
        on_progress: Callable[[str], None] | None = None,
    ) -> Written:
        """Have the component of a card written and proved.

        A card that failed is tried once more as a new writing, unless the same model with the same prompts has failed
        on it: then that is told, at no cost.

        Args:
            writing: An OPEN or FAILED writing.
            model: Who writes.
            backend: Where candidates are verified.
            again: Whether what is known to have failed is tried again.
            on_progress: Told how it goes, as a line for people.

        Raises:
            BudgetSpentError: If a cap is reached; the writing is still OPEN.
            SandboxError: If the sandbox failed.
        """
        if writing.state is not WritingState.OPEN:
            writing = self._writings.add(Card.from_yaml(writing.card), source=SOURCE, proposal=writing.proposal)
        with Bench(backend) as bench:
            limits = limits_of(writing)
            writer = component_writer(model, bench, self._store, self._workspace, on_progress, limits)
            return writer.write(writing, workspace_catalogue(self._store), again=again)


def component_writer(
    model: LanguageModel,
    bench: Bench,
    store: Store,
    workspace: Path,
    on_progress: Callable[[str], None] | None,
    limits: WriterLimits,
) -> ComponentWriter:
    """Return the writer of components."""
    return ComponentWriter(model, bench, store, workspace, limits=limits, on_progress=on_progress)


@contextmanager
def asked(
    choice: ProviderChoice, store: Store, caps: Caps, on_progress: Callable[[str], None] | None = None
) -> Iterator[LanguageModel]:
    """Start a language model that works outside any study, and stop it at the end.

    Raises:
        ProviderUnavailableError: If it cannot run on this machine.
        NeuraMosaicError: What `create_provider` raises.
    """
    check_provider(choice, max_usd=caps.usd)
    ledger = Ledger(store)
    with closing(create_provider(choice, ledger, on_progress=on_progress)) as provider:
        budget = Budget(caps.tokens, caps.usd)
        yield LanguageModel(provider, ledger, rng=np.random.default_rng(), budget=budget)


def _words(text: str) -> str:
    return " ".join(text.split())
