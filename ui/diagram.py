"""An architecture drawn as a diagram: SVG made of numbers and escaped text, readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from neuramosaic.space.architecture import Architecture, Block, Choice

#: Sizes in pixels: of the drawing, of a box, and of the margin that the residual lines run in.
WIDTH, MARGIN, RAIL = 340, 14, 26
LINE, TITLE, GAP = 14, 18, 14
#: Letters of a line of hyper-parameters: in a whole box, and in one of two side by side.
LETTERS, NARROW = 38, 17
#: Width of a letter of a title, as a share of its size.
BOLD = 0.64
#: Fill of a box by what it holds; the text on it is always dark.
FILLS = {
    "mixer": "#cfe6f5", "channel": "#fbdcc4", "norm": "#e6e6e6", "position": "#cdeee2", "embedding": "#f3dcea",
    "modulator": "#fdf0cc",
}  # fmt: skip
INK, SOFT, LINES = "#1d2126", "#4a525c", "#8c8c8c"


class _Canvas:
    """Collects the shapes from the top to the bottom."""

    def __init__(self) -> None:
        self.shapes: list[str] = []
        self.y = float(MARGIN)

    def box(self, kind: str, title: str, details: Sequence[str], left: float, width: float) -> float:
        """Draw a box with a title at the current height; return its height."""
        height = TITLE + 6 + LINE * len(details) + (4 if details else 0)
        self.shapes.append(
            f'<rect x="{left:.1f}" y="{self.y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5"'
            f' fill="{FILLS[kind]}" stroke="{LINES}"/>'
        )
        middle = left + width / 2
        size = min(13.0, (width - 8) / (BOLD * max(1, len(title))))
        self.text(middle, self.y + TITLE - 2, title, size=round(size, 1), weight=600)
        for index, line in enumerate(details):
            self.text(middle, self.y + TITLE + 2 + LINE * (index + 1) - 2, line, size=10.5, colour=SOFT)
        return height

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        weight: int = 400,
        colour: str = INK,
        anchor: str = "middle",
    ) -> None:
        self.shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
            f' text-anchor="{anchor}">{escape(text)}</text>'
        )

    def arrow(self, x: float, length: float = GAP) -> None:
        """Draw an arrow down from the current height."""
        end = self.y + length
        self.shapes.append(f'<path d="M{x:.1f} {self.y:.1f} V{end - 4:.1f}" stroke="{LINES}" stroke-width="1.5"/>')
        self.shapes.append(f'<path d="M{x - 4:.1f} {end - 6:.1f} h8 l-4 6 z" fill="{LINES}"/>')
        self.y = end

    def plus(self, x: float, source: float, rail: float) -> None:
        """Draw a sum at the current height, with a residual line to it that leaves at `source`."""
        radius, centre = 8, self.y + 8
        self.shapes.append(
            f'<path d="M{x:.1f} {source:.1f} H{rail:.1f} V{centre:.1f} H{x - radius:.1f}" fill="none"'
            f' stroke="{LINES}" stroke-width="1.5"/>'
        )
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{centre:.1f}" r="{radius}" fill="#ffffff" stroke="{LINES}"/>')
        self.text(x, centre + 4.5, "+", size=14, weight=600)
        self.y = centre + radius


def diagram(architecture: Architecture, *, vocab_size: int | None = None) -> str:
    """Return a drawing of an architecture, from the tokens to the logits, as an SVG document.

    Args:
        architecture: What to draw.
        vocab_size: Number of token values, for the embedding's size.
    """
    canvas, middle = _Canvas(), WIDTH / 2
    left, width = MARGIN + RAIL, WIDTH - 2 * (MARGIN + RAIL)
    canvas.text(middle, canvas.y + 10, "tokens (B, T)", size=12, colour=LINES)
    canvas.y += 16
    canvas.arrow(middle)
    size = f"{vocab_size} x {architecture.width}" if vocab_size else f"to width {architecture.width}"
    canvas.y += canvas.box("embedding", "embedding", [f"{size}, tied with the output"], left, width)
    canvas.arrow(middle)
    canvas.y += canvas.box(
        "position", f"position: {architecture.position.name}", _details(architecture.position), left, width
    )
    for index, block in enumerate(architecture.blocks):
        canvas.arrow(middle)
        numbers = [str(n + 1) for n in range(index, architecture.depth, len(architecture.blocks))]
        title = f"block{'s' if len(numbers) > 1 else ''} {', '.join(numbers)} of {architecture.depth}"
        _draw_block(canvas, block, architecture.residual, title)
    canvas.arrow(middle)
    canvas.text(middle, canvas.y + 12, "logits (B, T, V)", size=12, colour=LINES)
    height = canvas.y + 12 + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}"'
        f' viewBox="0 0 {WIDTH} {height:.0f}" font-family="system-ui, sans-serif" role="img">'
        + "".join(canvas.shapes)
        + "</svg>"
    )


def _draw_block(canvas: _Canvas, block: Block, residual: Choice, title: str) -> None:
    top, middle, rail = canvas.y, WIDTH / 2, MARGIN + RAIL - 8
    frame = len(canvas.shapes)
    canvas.y += 18
    if block.modulator is not None:
        canvas.y += canvas.box(
            "modulator", f"inside {block.modulator.name}", _details(block.modulator), rail + 18, WIDTH - 2 * rail - 36
        )
        canvas.y += 4
    left, width = rail + 22, WIDTH - 2 * rail - 44
    if residual.name == "parallel":
        source = canvas.y
        canvas.arrow(middle)
        canvas.y += canvas.box("norm", block.norm.name, _details(block.norm), left, width)
        canvas.arrow(middle)
        half = (width - 8) / 2
        heights = [
            canvas.box(kind, choice.name, _details(choice, NARROW), left + at * (half + 8), half)
            for at, (kind, choice) in enumerate((("mixer", block.mixer), ("channel", block.channel)))
        ]
        canvas.y += max(heights)
        canvas.arrow(middle)
        canvas.plus(middle, source + 3, rail + 8)
    else:
        for kind, choice in (("mixer", block.mixer), ("channel", block.channel)):
            _draw_part(canvas, kind, choice, block.norm, residual, left, width, rail + 8)
    canvas.y += 10
    canvas.shapes.insert(
        frame,
        f'<rect x="{rail - 8:.1f}" y="{top:.1f}" width="{WIDTH - 2 * rail + 16:.1f}" height="{canvas.y - top:.1f}"'
        f' rx="8" fill="none" stroke="{LINES}" stroke-dasharray="4 3"/>',
    )
    known = residual.name in ("pre", "post", "sandwich", "parallel")
    suffix = residual.name if known else f"residual: {residual.name}"
    canvas.text(rail, top + 13, f"{title} ({suffix}{_arguments(residual)})", size=11, colour=LINES, anchor="start")


def _draw_part(
    canvas: _Canvas, kind: str, choice: Choice, norm: Choice, residual: Choice, left: float, width: float, rail: float
) -> None:
    middle, source = WIDTH / 2, canvas.y
    before = residual.name in ("pre", "sandwich")
    after_inside, after_sum = residual.name == "sandwich", residual.name == "post"
    if residual.name not in ("pre", "post", "sandwich"):
        before = True  # where the norm stands in an unknown topology is its own affair; the code says it
    if before:
        canvas.arrow(middle)
        canvas.y += canvas.box("norm", norm.name, _details(norm), left, width)
    canvas.arrow(middle)
    canvas.y += canvas.box(kind, choice.name, _details(choice), left, width)
    if after_inside:
        canvas.arrow(middle)
        canvas.y += canvas.box("norm", norm.name, [], left, width)
    canvas.arrow(middle)
    canvas.plus(middle, source + 3, rail)
    if after_sum:
        canvas.arrow(middle)
        canvas.y += canvas.box("norm", norm.name, _details(norm), left, width)


def _details(choice: Choice, letters: int = LETTERS) -> list[str]:
    """Return the hyper-parameters in lines that fit."""
    lines: list[str] = []
    for name, value in choice.hyperparameters.items():
        text = f"{name}={_value(value)}"
        if lines and len(lines[-1]) + len(text) + 2 <= letters:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def _arguments(choice: Choice) -> str:
    return "".join(f", {name}={_value(value)}" for name, value in choice.hyperparameters.items())


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
