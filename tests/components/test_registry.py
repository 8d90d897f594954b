"""Looking components up, and adding new ones."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from neuramosaic.components import registry
from neuramosaic.components.registry import Catalogue, catalogue, register_component
from neuramosaic.components.spec import ComponentSpec, Provenance, Slot
from neuramosaic.errors import InvalidValueError, UnknownNameError, UsageError

NEW = ComponentSpec("echo", Slot.MIXER, "Echo", "Does nothing", "class Echo: ...\n", provenance=Provenance.DESIGNED)


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", [])


def test_the_catalogue_has_all_slots_and_each_component_its_paper() -> None:
    sizes = {slot: len(catalogue().slot(slot)) for slot in Slot}
    assert sizes == {"mixer": 6, "channel": 5, "norm": 3, "position": 4, "residual": 4, "modulator": 1}
    assert all(spec.paper and spec.summary and spec.source.startswith('"""') for spec in catalogue().specs)


def test_names_stand_for_one_component_each() -> None:
    assert catalogue().get("mixer", "attention").class_name == "Attention"
    with pytest.raises(UnknownNameError, match=r"unknown mixer 'atention': did you mean 'attention'\?"):
        catalogue().get(Slot.MIXER, "atention")
    with pytest.raises(UnknownNameError, match="unknown slot 'mixr': did you mean 'mixer'"):
        catalogue().slot("mixr")


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_component_joins_later_catalogues_only() -> None:
    before = catalogue()
    register_component(NEW)
    register_component(NEW)
    assert NEW in catalogue().specs
    assert NEW not in before.specs
    assert catalogue().version != before.version


@pytest.mark.usefixtures("clean_registry")
def test_a_name_cannot_be_taken_twice() -> None:
    register_component(NEW)
    with pytest.raises(InvalidValueError, match="name that no other mixer"):
        register_component(dataclasses.replace(NEW, source="class Echo(int): ...\n"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": 'x"""\nimport os'}, "name"),
        ({"name": "Echo"}, "name"),
        ({"class_name": "Echo()"}, "echo.class_name"),
        ({"class_name": "None"}, "echo.class_name"),
        ({"paper": "see above"}, "echo.paper"),
    ],
)
def test_names_that_would_break_the_generated_code_are_refused(change: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Catalogue([dataclasses.replace(NEW, **change)])
    assert caught.value.field == field


def test_versions_follow_the_source_and_not_the_order() -> None:
    assert dataclasses.replace(NEW, source="class Echo(int): ...\n").version != NEW.version
    assert dataclasses.replace(NEW, summary="Says nothing").version == NEW.version
    assert Catalogue(reversed(catalogue().specs)).version == catalogue().version


def test_the_catalogue_does_not_import_torch() -> None:
    code = (
        "import sys; from neuramosaic.components import registry; registry.catalogue(); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_a_component_is_found_by_its_name_alone_where_one_slot_has_it():
    known = catalogue()
    assert known.find("attention") is known.get("mixer", "attention")
    assert known.find("none", "position") is known.get("position", "none")
    twice = dataclasses.replace(known.get("mixer", "attention"), slot=Slot.CHANNEL)
    known.add(twice)
    with pytest.raises(UsageError, match="component 'attention' exists as mixer and channel: say which slot is meant"):
        known.find("attention")
    assert known.find("attention", "channel") is twice
    with pytest.raises(UnknownNameError, match="unknown component 'atention': did you mean 'attention'"):
        known.find("atention")
    with pytest.raises(UnknownNameError, match="unknown norm 'attention'"):
        known.find("attention", "norm")
