"""A table whose rows each carry a long note: beside the figures where there is room, else on a line of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text

GAP = "  "


@dataclass(frozen=True)
class Line:
    """One row.

    Attributes:
        cells: A text for each heading.
        note: What is long, such as an architecture's label.
        style: Style of the whole row.
    """

    cells: tuple[str | Text, ...]
    note: str | Text
    style: str = ""


class Listing:
    """Prints rows of short cells, each with a note."""

    def __init__(self, headings: Sequence[str], note: str, lines: Sequence[Line], *, left: Sequence[str] = ()) -> None:
        """Prepare.

        Args:
            headings: Of the cells, which are aligned to the right.
            note: Heading of the notes.
            lines: The rows.
            left: The headings whose cells are aligned to the left.
        """
        self._headings = headings
        self._note = note
        self._lines = lines
        self._left = frozenset(left)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        widths = [
            max(len(heading), *(len(line.cells[index]) for line in self._lines)) if self._lines else len(heading)
            for index, heading in enumerate(self._headings)
        ]
        figures = sum(widths) + len(GAP) * len(widths)
        beside = figures + max((len(line.note) for line in self._lines), default=0) <= options.max_width
        header = self._row(self._headings, widths)
        if beside:
            header.append(self._note)
        header.stylize("bold")
        yield header
        yield Text("─" * min(options.max_width, figures + (20 if beside else 0)), "dim")
        for line in self._lines:
            row = self._row(line.cells, widths)
            note = line.note if isinstance(line.note, Text) else Text(line.note)
            if beside:
                row.append_text(note)
            row.stylize_before(line.style)
            row.no_wrap = True
            row.overflow = "ellipsis"
            yield row
            if not beside:
                indent = len(GAP) * 2
                note.stylize_before("dim")
                for part in note.wrap(console, max(20, options.max_width - indent)):
                    yield Text(" " * indent).append_text(part)

    def _row(self, cells: Sequence[str | Text], widths: Sequence[int]) -> Text:
        row = Text()
        for heading, cell, width in zip(self._headings, cells, widths, strict=True):
            padding = " " * (width - len(cell))
            before, after = ("", padding) if heading in self._left else (padding, "")
            row.append(before)
            row.append_text(cell if isinstance(cell, Text) else Text(cell))
            row.append(after + GAP)
        return row
