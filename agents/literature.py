"""The literature agent: gives the designer a brief of what is known about what the study may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuramosaic.components.spec import ComponentSpec


@dataclass(frozen=True)
class Citation:
    """A paper behind a component.

    Attributes:
        paper: arXiv id.
        component: `slot:name`.
        summary: What the component does, in one line.
    """

    paper: str
    component: str
    summary: str


@dataclass(frozen=True)
class Brief:
    """What the literature says for one study.

    Attributes:
        citations: The papers behind the components that the study may use, by component.
    """

    citations: tuple[Citation, ...]

    def summary(self) -> str:
        """Return one line for the journal."""
        papers = {citation.paper for citation in self.citations}
        return f"{len(self.citations)} components of this space go back to {len(papers)} papers"


class Literature:
    """Knows the papers behind the components of a space."""

    def brief(self, components: Iterable[ComponentSpec]) -> Brief:
        """Return the citations of the components that have a paper."""
        return Brief(
            tuple(
                Citation(spec.paper, f"{spec.slot}:{spec.name}", spec.summary)
                for spec in components
                if spec.paper is not None
            )
        )
