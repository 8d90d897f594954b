"""Where components are looked up, and where new ones are added."""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Iterable
from typing import Any

from neuramosaic.canonical import content_id
from neuramosaic.components.catalogue import built_in
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import InvalidValueError, UnknownNameError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_ARXIV_ID = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7}")


class Catalogue:
    """The components of a space, by slot and name. Names are unique within their slot."""

    def __init__(self, specs: Iterable[ComponentSpec] = ()):
        self._specs: dict[tuple[Slot, str], ComponentSpec] = {}
        for spec in specs:
            self.add(spec)

    @property
    def specs(self) -> tuple[ComponentSpec, ...]:
        """All components, in the order in which they were added."""
        return tuple(self._specs.values())

    @property
    def version(self) -> str:
        """Content id of all components: their sources, domains and kinds, whatever the order they were added in."""
        ordered = sorted(self.specs, key=lambda spec: (spec.slot, spec.name))
        return content_id([_definition(spec) for spec in ordered])

    def slot(self, slot: Slot | str) -> tuple[ComponentSpec, ...]:
        """Return the components of one slot, in the order in which they were added."""
        wanted = _slot(slot)
        return tuple(spec for spec in self.specs if spec.slot is wanted)

    def get(self, slot: Slot | str, name: str) -> ComponentSpec:
        """Return a component.

        Raises:
            UnknownNameError: If the slot, or the name within the slot, does not exist.
        """
        wanted = _slot(slot)
        if (wanted, name) not in self._specs:
            raise UnknownNameError(wanted, name, (spec.name for spec in self.slot(wanted)))
        return self._specs[wanted, name]

    def find(self, name: str, slot: Slot | str | None = None) -> ComponentSpec:
        """Return a component by its name, in whichever slot has it.

        Args:
            name: Its name.
            slot: Its slot; needed where several slots have the name.

        Raises:
            UnknownNameError: If there is no such slot, or no component of that name.
            UsageError: If several slots have the name and none was given.
        """
        if slot is not None:
            return self.get(slot, name)
        found = [spec for spec in self.specs if spec.name == name]
        if not found:
            raise UnknownNameError("component", name, {spec.name for spec in self.specs})
        if len(found) > 1:
            slots = " and ".join(spec.slot for spec in found)
            raise UsageError(f"component {name!r} exists as {slots}: say which slot is meant")
        return found[0]

    def add(self, spec: ComponentSpec) -> None:
        """Add a component. Its names become part of generated code, so they must be plain identifiers.

        Raises:
            InvalidValueError: If a name or the arXiv id is malformed, or the name is taken by another source.
        """
        _check_names(spec)
        present = self._specs.get((spec.slot, spec.name))
        if present is not None and present != spec:
            raise InvalidValueError("name", spec.name, f"a name that no other {spec.slot} of the catalogue has")
        self._specs[spec.slot, spec.name] = spec


_registered: list[ComponentSpec] = []


def catalogue() -> Catalogue:
    """Return a new catalogue of the built-in components and of those that this process registered."""
    return Catalogue((*built_in(), *_registered))


def register_component(spec: ComponentSpec) -> ComponentSpec:
    """Add a component to what `catalogue()` returns in this process.

    Raises:
        InvalidValueError: If a name or the arXiv id is malformed, or the name is taken by another source.
    """
    catalogue().add(spec)
    if spec not in _registered:
        _registered.append(spec)
    return spec


def _slot(slot: Slot | str) -> Slot:
    if slot not in tuple(Slot):
        raise UnknownNameError("slot", str(slot), [item.value for item in Slot])
    return Slot(slot)


def _check_names(spec: ComponentSpec) -> None:
    if not _NAME.fullmatch(spec.name):
        raise InvalidValueError("name", spec.name, "a name in snake case, such as 'sliding_attention'")
    if not _CLASS_NAME.fullmatch(spec.class_name) or keyword.iskeyword(spec.class_name):
        raise InvalidValueError(f"{spec.name}.class_name", spec.class_name, "a class name, such as 'SlidingAttention'")
    if spec.slot is Slot.MODULATOR and spec.name == "none":
        raise InvalidValueError("name", spec.name, "another name for a modulator: 'none' stands for no modulator")
    if spec.paper is not None and not _ARXIV_ID.fullmatch(spec.paper):
        raise InvalidValueError(f"{spec.name}.paper", spec.paper, "an arXiv id, such as '2405.21060'")
    for parameter in spec.hyperparameters:
        if not _NAME.fullmatch(parameter.name) or keyword.iskeyword(parameter.name):
            raise InvalidValueError(f"{spec.name}.hyperparameters", parameter.name, "a keyword argument in snake case")


def _definition(spec: ComponentSpec) -> dict[str, Any]:
    domains = [[type(item).__name__, dataclasses.asdict(item)] for item in spec.hyperparameters]
    return {
        "slot": spec.slot,
        "name": spec.name,
        "class": spec.class_name,
        "version": spec.version,
        "hyperparameters": domains,
        "uses_position": spec.uses_position,
        "traits": spec.traits,
    }
