"""Where a study's components are written: a writer, and a bench of its own that starts with the first of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from agents.bench import Bench
from agents.card_reading import read_card
from agents.llm.client import LanguageModel
from agents.writer.result import Written
from agents.writer.writer import ComponentWriter, WriterLimits
from graph.workers import MAX_SANDBOX_FAILURES
from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue
from neuramosaic.errors import SandboxError
from neuramosaic.store.records import WritingRecord
from neuramosaic.store.store import Store

#: Candidates for a card of an idea whose equations no rule reads: what a model made of words that it did not
#: understand is seldom verified, and more attempts change little of that.
UNREAD_ATTEMPTS = 12


def limits_of(writing: WritingRecord) -> WriterLimits:
    """Return what the writing of a card may use: less if its equations are not readable, unless a paper has them."""
    if writing.source == "paper" or read_card(Card.from_yaml(writing.card)).readable:
        return WriterLimits()
    return WriterLimits(attempts=UNREAD_ATTEMPTS)


class Workshop:
    """Writes components for one study. Most studies ask for none until they are well under way, some never do.

    Args:
        model: Who writes.
        store: Store of the workspace.
        workspace: Its directory.
        backend: The sandbox in which components are verified: the one in which the study's trials run.
        on_progress: Told how a writing goes, as a line for people; may raise to end it.
    """

    def __init__(
        self,
        model: LanguageModel,
        store: Store,
        workspace: Path,
        *,
        backend: str,
        on_progress: Callable[[str], None],
    ) -> None:
        self._model, self._store, self._workspace = model, store, workspace
        self._backend, self._on_progress = backend, on_progress
        self._open = ExitStack()
        self._bench: Bench | None = None

    def write(self, writing: WritingRecord, known: Catalogue, *, again: bool = False) -> Written:
        """Write a component, and prove it; what was asked before is in the ledger and not asked again.

        Args:
            writing: An OPEN writing.
            known: The components that exist.
            again: Whether it is written even if the same card is known to have failed.

        Raises:
            BudgetSpentError: If the study's cap is reached; the writing is still OPEN.
            SandboxError: If the sandbox failed, as often as it may; the writing is still OPEN.
        """
        for failures in range(1, MAX_SANDBOX_FAILURES + 1):
            try:
                return self._writer(limits_of(writing)).write(writing, known, again=again)
            except SandboxError as error:
                self.close()
                if failures == MAX_SANDBOX_FAILURES:
                    raise
                self._on_progress(f"{writing.slot} {writing.name}: sandbox failed, another is started: {error}")
        raise AssertionError("MAX_SANDBOX_FAILURES is at least 1")

    def _writer(self, limits: WriterLimits) -> ComponentWriter:
        """Return a writer, with a bench that is started."""
        if self._bench is None:
            self._bench = self._open.enter_context(Bench(self._backend))
        return ComponentWriter(
            self._model, self._bench, self._store, self._workspace, limits=limits, on_progress=self._on_progress
        )

    def close(self) -> None:
        """Stop the bench; the next writing starts another."""
        self._bench = None
        self._open.close()
