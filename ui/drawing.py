"""An architecture drawn as text, from the tokens to the logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuramosaic.space.architecture import Architecture, Block, Choice

#: What a residual topology does with a block's mixer `m`, channel `c` and norm `n`, line by line.
TOPOLOGIES: Mapping[str, tuple[str, ...]] = {
    "pre": ("x = x + {m}({n}(x))", "x = x + {c}({n}(x))"),
    "post": ("x = {n}(x + {m}(x))", "x = {n}(x + {c}(x))"),
    "sandwich": ("x = x + {n}({m}({n}(x)))", "x = x + {n}({c}({n}(x)))"),
    "parallel": ("h = {n}(x)", "x = x + {m}(h) + {c}(h)"),
}


def draw(architecture: Architecture, *, vocab_size: int | None = None) -> str:
    """Return a drawing of an architecture, with a box for each block of its pattern.

    Args:
        architecture: What to draw.
        vocab_size: Number of token values, for the embedding's size.
    """
    size = f"{vocab_size} x {architecture.width}" if vocab_size else f"to {architecture.width}"
    lines = ["tokens (B, T)", "  │", f"  ├─ embedding {size}, tied with the output"]
    lines += [f"  ├─ position {_call(architecture.position)}", "  │"]
    count = len(architecture.blocks)
    for index, block in enumerate(architecture.blocks):
        numbers = [str(number + 1) for number in range(index, architecture.depth, count)]
        title = f"block{'s' if len(numbers) > 1 else ''} {', '.join(numbers)} of {architecture.depth}"
        lines += [*_box(title, _block(block, architecture.residual)), "  │"]
    lines += ["logits (B, T, V)"]
    return "\n".join(lines)


def _block(block: Block, residual: Choice) -> list[str]:
    names = {"m": block.mixer.name, "c": block.channel.name, "n": block.norm.name}
    plain = f"x = {residual.name}(x; {block.mixer.name}, {block.channel.name}, {block.norm.name})"
    lines = [line.format(**names) for line in TOPOLOGIES.get(residual.name, (plain,))]
    if block.modulator is not None:
        lines.append(f"all of it inside {_call(block.modulator)}")
    details = [_call(choice) for choice in (block.mixer, block.channel, block.norm, residual) if choice.hyperparameters]
    return [*lines, "", *details] if details else lines


def _call(choice: Choice) -> str:
    arguments = ", ".join(f"{name}={_value(value)}" for name, value in choice.hyperparameters.items())
    return f"{choice.name}({arguments})" if arguments else choice.name


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _box(title: str, body: list[str]) -> list[str]:
    folded = [part for line in body for part in _fold(line)]
    width = max(len(title) + 1, *(len(line) for line in folded))
    return [
        f"┌─┴ {title} {'─' * (width - len(title) - 2)}┐",
        *(f"│ {line:<{width}} │" for line in folded),
        f"└─┬{'─' * width}┘",
    ]


def _fold(line: str, width: int = 72) -> list[str]:
    """Break a long call after a comma."""
    if len(line) <= width or ", " not in line[:width]:
        return [line]
    cut = line.rindex(", ", 0, width) + 1
    return [line[:cut], *_fold("    " + line[cut:].strip(), width)]
