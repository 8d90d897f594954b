"""What is answered: lines of text, tables, links and code, without any markup; kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Link:
    """Where something can be seen.

    Attributes:
        kind: What it leads to.
        target: Id of the trial or study, or words to search papers for.
        label: What it says.
    """

    kind: Literal["trial", "study", "passages"]
    target: str
    label: str


@dataclass(frozen=True)
class Table:
    """A small table.

    Attributes:
        columns: Headings.
        rows: Cells, by row.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        lines: Sentences, in order.
        tables: Tables, after them.
        links: What it speaks of.
        code: Equations and code, shown as they are.
    """

    lines: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    links: tuple[Link, ...] = ()
    code: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Answer:
        """Return what `to_json` made."""
        return cls(
            tuple(str(line) for line in data.get("lines", ())),
            tuple(
                Table(tuple(item["columns"]), tuple(tuple(row) for row in item["rows"]))
                for item in data.get("tables", ())
            ),
            tuple(Link(**item) for item in data.get("links", ())),
            tuple(str(item) for item in data.get("code", ())),
        )


def lines(*said: str, links: Sequence[Link] = ()) -> Answer:
    """Return an answer of some sentences."""
    return Answer(tuple(said), links=tuple(links))
