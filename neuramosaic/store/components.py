"""The components of a workspace: those that came with the catalogue, and those that were added to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue, catalogue
from neuramosaic.components.rule import ParameterRule
from neuramosaic.components.spec import ComponentSpec, Provenance
from neuramosaic.errors import StoreError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import ComponentRecord, StudyRecord
from neuramosaic.store.store import FILE_NAME, Store

#: Files of a component's commit.
SOURCE, CARD = "component.py", "card.yaml"


def workspace_catalogue(store: Store) -> Catalogue:
    """Return the catalogue that a new study of the workspace has: of each added component the newest version."""
    return catalogue_with(store, store.components())


def known_components(workspace: Path) -> tuple[Catalogue, dict[tuple[str, str], ComponentRecord]]:
    """Return the components of a workspace, which need not exist yet.

    Returns:
        The catalogue that a new study of it has, and what is recorded of each component that was added to it, by slot
        and name.
    """
    if not (workspace / FILE_NAME).exists():
        return catalogue(), {}
    with Store.open(workspace, create=False) as store:
        records = store.components()
        return catalogue_with(store, records), {(record.slot, record.name): record for record in records}


def study_catalogue(store: Store, study: StudyRecord) -> Catalogue:
    """Return the catalogue that a study has: as it was when the study was made.

    Raises:
        NotFoundError: If a version that it was made with is gone.
    """
    return catalogue_with(
        store, (store.component(item["slot"], item["name"], item["version"]) for item in study.components)
    )


def component_spec(record: ComponentRecord, source: str, card: Card) -> ComponentSpec:
    """Return an added component as one of a catalogue. Its code is text: nothing of it runs.

    Raises:
        StoreError: If the record says that it is the catalogue's own, whose code alone may run outside a sandbox.
    """
    provenance = Provenance(record.provenance)
    if provenance is Provenance.CATALOGUE:
        raise StoreError(f"{record.slot} {record.name!r} of the workspace cannot be one of the catalogue's own")
    return card.spec(
        source,
        record.class_name,
        provenance=provenance,
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
