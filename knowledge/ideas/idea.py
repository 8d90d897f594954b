"""A known idea, and the files that they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from knowledge.papers import Paper, Passage
from neuramosaic.components.spec import Slot
from neuramosaic.errors import NeuraMosaicError

ID_PREFIX = "idea-"
"""What the id of an idea among papers begins with, so that it never meets that of its paper, once that is ingested."""
ORIGIN = "built-in knowledge base"
"""Where an idea comes from, as `Paper.origin` says it."""

_Line = Annotated[str, Field(pattern=r"^\S[^\n]*$", max_length=400)]
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
_ArxivId = Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")]


class IdeaError(NeuraMosaicError, ValueError):
    """A file of ideas is wrong: names the file, the idea and the field."""


@dataclass(frozen=True)
class Realisation:
    """The catalogue's component that has an idea.

    Attributes:
        slot: Its slot.
        name: Its name there.
        settings: The hyper-parameters at which it is the idea; the others are free.
    """

    slot: Slot
    name: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.slot} {self.name}" + (f"({said})" if said else "")


@dataclass(frozen=True)
class Idea:
    """A known architectural idea.

    Attributes:
        name: Unique, snake case.
        title: Title of the paper that it comes from.
        arxiv: arXiv id of that paper, without a version; None where it has none or we are not certain of it.
        source: Where the idea comes from, if `arxiv` is None.
        year: When it was published.
        slot: What it fills; None if it concerns the whole model or its training.
        changes: What it changes, in a sentence or two.
        equations: What it computes, in the notation of cards.
        helps: Symptoms, in observable terms, that it helps against.
        costs: What it costs.
        insight: Why it works.
        background: Where it stands among other ideas.
        component: What has it in the catalogue, or None.
    """

    name: str
    title: str
    arxiv: str | None
    source: str
    year: int
    slot: Slot | None
    changes: str
    equations: tuple[str, ...]
    helps: tuple[str, ...]
    costs: str
    insight: str
    background: str
    component: Realisation | None

    @property
    def reference(self) -> str:
        """How it is cited: "arXiv 2412.06464", or where else it comes from."""
        return f"arXiv {self.arxiv}" if self.arxiv else self.source

    @property
    def words(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")


def read_ideas(text: str, where: str) -> tuple[Idea, ...]:
    """Read a file of ideas: a YAML list.

    Args:
        text: Its content.
        where: Its name, for messages.

    Raises:
        IdeaError: If it is no YAML list, or an idea lacks a field, has one too many or one that is wrong.
    """
    try:
        entries = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise IdeaError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not entries:
        raise IdeaError(f"{where}: expected a list of ideas")
    found = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name", f"number {number}") if isinstance(entry, dict) else f"number {number}"
        try:
            found.append(_Entry.model_validate(entry).idea())
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in problem["loc"])
            raise IdeaError(f"{where}: idea {name}: {f'{field}: ' if field else ''}{problem['msg']}") from error
    return tuple(found)


@cache
def ideas() -> tuple[Idea, ...]:
    """Return all built-in ideas, file by file.

    Raises:
        IdeaError: If a file is wrong, or two ideas have one name.
    """
    files = sorted(
        (file for file in resources.files(__package__).iterdir() if file.name.endswith(".yaml")),
        key=lambda file: file.name,
    )
    found = tuple(idea for file in files for idea in read_ideas(file.read_text(encoding="utf-8"), file.name))
    names = [idea.name for idea in found]
    for name in names:
        if names.count(name) > 1:
            raise IdeaError(f"the idea {name!r} stands there twice")
    return found


def as_papers(known: Iterable[Idea]) -> list[tuple[Paper, tuple[Passage, ...]]]:
    """Return ideas as papers with passages, so that a library of papers holds and finds them too.

    The id of such a paper begins with `ID_PREFIX`, and its page means nothing: the words are ours and not the paper's.
    """
    found = []
    for idea in known:
        paper = Paper(
            id=f"{ID_PREFIX}{idea.name}",
            title=idea.title,
            abstract=idea.changes,
            arxiv_id=idea.arxiv,
            published=str(idea.year),
            origin=ORIGIN,
            pages=1,
        )
        texts = (
            ("What it changes", f"{idea.words}: {idea.changes}"),
            ("When it helps", f"{idea.words} helps when {'; '.join(idea.helps)}. {idea.insight}"),
            ("What it costs", f"{idea.words}: {idea.costs} {idea.background}"),
            ("Equations", "\n".join(idea.equations)),
        )
        passages = tuple(
            Passage(paper.id, number, section, 1, text, "equation" if section == "Equations" else "text")
            for number, (section, text) in enumerate(texts)
        )
        found.append((paper, passages))
    return found


class _Component(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    slot: Slot | None = None
    name: _Name
    settings: dict[str, str | bool | int | float] = Field(default_factory=dict)

    @field_validator("slot", mode="before")
    @classmethod
    def _slot(cls, value: Any) -> Any:
        return _slot_of(value)


class _Entry(BaseModel):
    """An idea as it stands in its file: every field has to be there, `source` only where there is no arXiv id."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: _Name
    title: _Line
    arxiv: _ArxivId | None
    source: _Line | None = None
    year: Annotated[int, Field(ge=1900, le=2100)]
    slot: Slot | None
    changes: _Line
    equations: Annotated[list[_Line], Field(min_length=1, max_length=8)]
    helps: Annotated[list[_Line], Field(min_length=1, max_length=8)]
    costs: _Line
    insight: _Line
    background: _Line
    component: _Component | None

    @field_validator("slot", mode="before")
    @classmethod
    def _slot(cls, value: Any) -> Any:
        return _slot_of(value)

    @model_validator(mode="after")
    def _is_consistent(self) -> _Entry:
        if (self.arxiv is None) == (self.source is None):
            raise ValueError("either an arXiv id, or `source` that says where it comes from")
        if self.component is not None and (self.component.slot is None) == (self.slot is None):
            raise ValueError("component.slot: given where the idea itself has no slot, and only there")
        return self

    def idea(self) -> Idea:
        """Return it as what the rest of the laboratory works with."""
        component = None
        if self.component is not None:
            slot = self.component.slot or self.slot
            assert slot is not None
            component = Realisation(slot, self.component.name, dict(self.component.settings))
        return Idea(
            name=self.name,
            title=self.title,
            arxiv=self.arxiv,
            source=self.source or "",
            year=self.year,
            slot=self.slot,
            changes=self.changes,
            equations=tuple(self.equations),
            helps=tuple(self.helps),
            costs=self.costs,
            insight=self.insight,
            background=self.background,
            component=component,
        )


def _slot_of(value: Any) -> Any:
    return Slot(value) if isinstance(value, str) and value in tuple(Slot) else value
