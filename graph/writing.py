"""Having the component of a card written outside any study: what the workspace holds of the card is found there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agents.bench import Bench
from agents.llm.client import LanguageModel
from agents.writer.result import Failure, Written
from agents.writer.writer import ComponentWriter, WriterLimits, component_file
from neuramosaic.components.card import Card
from neuramosaic.store.components import workspace_catalogue
from neuramosaic.store.records import WritingRecord, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings, card_id

SOURCE = "person"


def write_card(
    card: Card,
    model: LanguageModel,
    bench: Bench,
    store: Store,
    workspace: Path,
    *,
    limits: WriterLimits,
    again: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> Written:
    """Have the component of a person's card written; a writing of it that was cut short is taken up.

    Args:
        card: The card.
        model: Who writes.
        bench: Where candidates are proved; started.
        store: The workspace's store.
        workspace: Its directory.
        limits: What the card may use.
        again: Whether to try even if the same model with the same prompts has failed on this card.
        on_progress: Told how it goes, as a line for people.

    Raises:
        UsageError: If no component of the card's slot or name can be added.
        BudgetSpentError: If a cap is reached; the writing is still OPEN.
        SandboxError: If the sandbox failed; the writing is still OPEN.
    """
    writings = Writings(store)
    open_yet = [item for item in _writings_of(card, store) if item.state is WritingState.OPEN]
    writing = open_yet[-1] if open_yet else writings.add(card, source=SOURCE)
    writer = ComponentWriter(model, bench, store, workspace, limits=limits, on_progress=on_progress)
    return writer.write(writing, workspace_catalogue(store), again=again)


def written_before(card: Card, store: Store, workspace: Path) -> Written | None:
    """Return what the newest verified writing of a person's card brought, or None."""
    for writing in reversed(_writings_of(card, store)):
        if (written := recall(writing, store, workspace)) is not None:
            return written
    return None


def recall(writing: WritingRecord, store: Store, workspace: Path) -> Written | None:
    """Return what a writing brought, or None if it is OPEN or has FAILED."""
    if writing.state is not WritingState.VERIFIED or writing.version is None:
        return None
    component = store.component(writing.slot, writing.name, writing.version)
    return Written(
        name=writing.name,
        verified=True,
        attempts=writing.attempts,
        tokens=writing.tokens,
        seconds=writing.seconds,
        failures=tuple(Failure(item["check"], item["message"]) for item in writing.failures),
        depth=writing.depth,
        component=component,
        file=component_file(workspace, component),
        writing=writing.id,
        remembered=True,
    )


def _writings_of(card: Card, store: Store) -> list[WritingRecord]:
    wanted = card_id(card)
    return [item for item in Writings(store).of_study(None) if item.source == SOURCE and item.card_id == wanted]
