"""Several components' definitions in one file: each once, and none under a name that is taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neuramosaic.codegen.imports import Import
from neuramosaic.codegen.source import Definition, read_source
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import CodegenError


@dataclass(frozen=True)
class Assembly:
    """The definitions of several components.

    Attributes:
        imports: All that is imported.
        sections: The texts of their functions, classes and groups of constants, in order.
        class_names: Under which name each component's class stands there.
    """

    imports: frozenset[Import]
    sections: tuple[str, ...]
    class_names: dict[tuple[Slot, str], str]


def assemble(specs: Iterable[ComponentSpec], imports: Iterable[Import], reserved: Iterable[str]) -> Assembly:
    """Bring the definitions of components together.

    Equal definitions of two files are written once; different ones of the same name are told apart by a number.

    Args:
        specs: The components, each once.
        imports: What the file imports besides.
        reserved: Names that none of their definitions may have.

    Raises:
        CodegenError: If a source cannot be taken apart, or two cannot stand in one file.
    """
    sources = {(spec.slot, spec.name): (spec, read_source(spec)) for spec in specs}
    merged = _merged_imports([*imports, *(item for _, source in sources.values() for item in source.imports)])
    taken: dict[str, tuple[str, ...]] = {name: () for name in (*reserved, *(item.bound for item in merged))}
    sections: list[str] = []
    class_names = {}
    for key, (spec, source) in sources.items():
        texts = {item.name: item.text for item in source.definitions}
        names: dict[str, str] = {}
        fresh = []
        for item in source.definitions:
            meaning = tuple(texts[name] for name in item.uses)
            names[item.name] = _free_name(item.name, meaning, taken)
            if names[item.name] not in taken:
                taken[names[item.name]] = meaning
                fresh.append(item)
        sections.extend(_sections(spec, fresh, {old: new for old, new in names.items() if old != new}))
        class_names[key] = names[spec.class_name]
    return Assembly(merged, tuple(sections), class_names)


def _sections(spec: ComponentSpec, definitions: Iterable[Definition], changed: dict[str, str]) -> Iterator[str]:
    """Yield the definitions with their new names, neighbouring constants together."""
    for is_constant, group in itertools.groupby(definitions, key=lambda item: item.is_constant):
        try:
            texts = [item.renamed(changed) for item in group]
        except CodegenError as error:
            raise CodegenError(f"{spec.slot} {spec.name!r}: {error}") from error
        yield from ["\n".join(texts)] if is_constant else texts


def _merged_imports(imports: list[Import]) -> frozenset[Import]:
    bound: dict[str, Import] = {}
    for item in imports:
        other = bound.setdefault(item.bound, item)
        both_packages = item.name is None and other.name is None and not item.alias and not other.alias
        if other != item and not both_packages:
            raise CodegenError(
                f"a component imports as {item.bound!r} what others do not: give that import another name"
            )
    return frozenset(imports)


def _free_name(name: str, meaning: tuple[str, ...], taken: dict[str, tuple[str, ...]]) -> str:
    """Return the first of name, name2, name3 ... that is not taken by something else."""
    candidates = itertools.chain([name], (f"{name}{number}" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if taken.get(candidate, meaning) == meaning)
