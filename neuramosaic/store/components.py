"""The components of a workspace: those that came with the catalogue, and those that were added to it."""

from __future__ import annotations

from collections.abc import Iterable

from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue, catalogue
from neuramosaic.components.rule import ParameterRule
from neuramosaic.components.spec import ComponentSpec, Provenance
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import ComponentRecord, StudyRecord
from neuramosaic.store.store import Store

#: Files of a component's commit.
SOURCE, CARD = "component.py", "card.yaml"


def workspace_catalogue(store: Store) -> Catalogue:
    """Return the catalogue that a new study of the workspace has: of each added component the newest version."""
    return catalogue_with(store, store.components())


def study_catalogue(store: Store, study: StudyRecord) -> Catalogue:
    """Return the catalogue that a study has: as it was when the study was made.

    Raises:
        NotFoundError: If a version that it was made with is gone.
    """
    return catalogue_with(
        store, (store.component(item["slot"], item["name"], item["version"]) for item in study.components)
    )


def component_spec(record: ComponentRecord, source: str, card: Card) -> ComponentSpec:
    """Return an added component as one of a catalogue. Its code is text: nothing of it runs."""
    return ComponentSpec(
        name=card.name,
        slot=card.slot,
        class_name=record.class_name,
        summary=card.summary,
        source=source,
        hyperparameters=card.domains(),
        paper=card.paper,
        cost=card.cost,
        provenance=Provenance.OWN,
        uses_position=record.uses_position,
        counts=ParameterRule.from_json(record.rule),
    )


def catalogue_with(store: Store, records: Iterable[ComponentRecord]) -> Catalogue:
    """Return the built-in catalogue with some of the workspace's components added."""
    known = catalogue()
    code = None
    for record in records:
        code = code or CodeRepository(store.path.parent / "code")  # made where it is missing: only if it is needed
        card = Card.from_yaml(code.read(record.commit, CARD))
        known.add(component_spec(record, code.read(record.commit, SOURCE), card))
    return known
