"""What the literature says for one study, with where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

MOST_CHARACTERS = 1_200
"""The most of a brief's findings that a prompt is given."""
NOT_IN_SPACE = "not in the space"


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
class Finding:
    """What was found for one thing that was looked for.

    Attributes:
        symptom: What was looked for, in observable terms.
        name: Of the idea, or the title of the paper.
        text: What it says, in one line.
        paper: arXiv id, or else the id of the paper in the library, or the name of the idea.
        page: Page of the paper that the text stands on; None if the words are those of the built-in knowledge base.
        component: The component of the space that has it, with its settings; empty if there is none.
    """

    symptom: str
    name: str
    text: str
    paper: str
    page: int | None = None
    component: str = ""

    @property
    def citation(self) -> str:
        """Such as "[arXiv 2412.06464 p.4]"; without a page where the words are not the paper's."""
        known = f"arXiv {self.paper}" if self.paper[:4].isdigit() else self.paper
        return f"[{known}]" if self.page is None else f"[{known} p.{self.page}]"

    def __str__(self) -> str:
        text = self.text if self.page is None else f'"{self.text}"'
        return f"- {self.symptom}: {self.name}: {text} {self.citation} = {self.component or NOT_IN_SPACE}"


@dataclass(frozen=True)
class Brief:
    """What the literature says for one study.

    Attributes:
        citations: The papers behind the components that the study may use, by component.
        findings: What was found for its task and for what was observed, the most pressing first.
        trouble: Why the library of papers could not be searched; empty if it could, or there is none.
    """

    citations: tuple[Citation, ...]
    findings: tuple[Finding, ...] = ()
    trouble: str = ""

    def summary(self) -> str:
        """Return one line for the journal."""
        papers = {citation.paper for citation in self.citations}
        said = f"{len(self.citations)} components of this space go back to {len(papers)} papers"
        by_symptom: dict[str, list[str]] = {}
        for finding in self.shown():
            by_symptom.setdefault(finding.symptom, []).append(f"{finding.name} {finding.citation}")
        parts = [said, *(f"{symptom}: {', '.join(names)}" for symptom, names in by_symptom.items())]
        if self.trouble:
            parts.append(f"the library could not be searched: {' '.join(self.trouble.split())}")
        return "; ".join(parts)

    def shown(self) -> tuple[Finding, ...]:
        """Return the findings that a prompt has room for."""
        kept: list[Finding] = []
        room = MOST_CHARACTERS
        for finding in self.findings:
            room -= len(str(finding)) + 1
            if room < 0:
                break
            kept.append(finding)
        return tuple(kept)

    def text(self) -> str:
        """Return the findings for a prompt, a line each, `MOST_CHARACTERS` at most; empty if there are none."""
        return "\n".join(map(str, self.shown()))

    def papers(self) -> tuple[str, ...]:
        """Return the ids of the papers in `text`, each once."""
        return tuple(dict.fromkeys(finding.paper for finding in self.shown()))

    def to_json(self) -> dict[str, Any]:
        """Return it as the journal keeps it."""
        return {
            "citations": {citation.component: citation.paper for citation in self.citations},
            "findings": [asdict(finding) for finding in self.findings],
        }


def findings_of(data: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return findings as `Brief.to_json` has kept them."""
    names = {field.name for field in fields(Finding)}
    return tuple(Finding(**{name: value for name, value in item.items() if name in names}) for item in data)
