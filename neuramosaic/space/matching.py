"""Parameter matching: the width at which a model meets its parameter budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from neuramosaic.errors import BudgetError
from neuramosaic.space.architecture import Architecture

ROUNDNESS = (16, 8, 4, 2, 1)
"""Widths are preferred by the largest of these that divides them: rounder widths run faster."""


def within(params: int, budget: int, tolerance: float) -> bool:
    """Return whether `params` is within `tolerance` (a fraction) of `budget`."""
    return abs(params - budget) <= tolerance * budget


def solve_width(
    architecture: Architecture,
    budget: int,
    count: Callable[[Architecture], int],
    *,
    tolerance: float = 0.05,
    low: int = 16,
    high: int = 1024,
) -> int:
    """Find the width that brings a model within its parameter budget.

    The parameters of a model do not fall as its width grows, so the widths within tolerance are one run of neighbours;
    its ends are bisected. Among them the roundest wins (a multiple of 16, else of 8, 4, 2, 1), then the nearest to the
    budget, then the narrower.

    Args:
        architecture: The design; its own width is ignored.
        budget: Parameters asked for.
        count: Counts the parameters of an architecture, exactly.
        tolerance: Greatest relative difference, in [0, 1).
        low: Least width tried.
        high: Greatest width tried.

    Returns:
        The width. Its count has been checked to be within tolerance.

    Raises:
        BudgetError: If no width is; names the nearest size there is.
    """
    sizes: dict[int, int] = {}

    def size(width: int) -> int:
        if width not in sizes:
            sizes[width] = count(replace(architecture, width=width))
        return sizes[width]

    limit = (1 + tolerance) * budget
    first = _first(low, high, lambda width: size(width) >= (1 - tolerance) * budget)
    # The first search has met widths beyond the limit: the second need not look past the least of them.
    beyond = min((width for width, params in sizes.items() if params > limit), default=high)
    end = _first(first, beyond, lambda width: size(width) > limit)
    for step in ROUNDNESS:
        candidates = range(first + (-first) % step, end, step)
        matching = [width for width in candidates if within(size(width), budget, tolerance)]
        if matching:
            return min(matching, key=lambda width: (abs(size(width) - budget), width))

    nearest = min((low, high, *sizes), key=lambda width: (abs(size(width) - budget), width))
    raise BudgetError(
        f"no width from {low} to {high} brings this model within {tolerance:.0%} of {budget:,} parameters: "
        f"the nearest is {size(nearest):,} at width {nearest} ({replace(architecture, width=nearest).label()})",
        budget=budget,
        smallest=size(low),
    )


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the least width in [low, high] at which a rising condition holds, or `high + 1` if it never does."""
    above = high + 1
    while low < above:
        middle = (low + above) // 2
        if holds(middle):
            above = middle
        else:
            low = middle + 1
    return above
