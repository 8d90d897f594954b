"""Student's t distribution, for whole degrees of freedom."""

from __future__ import annotations

import math

from neuramosaic.errors import InvalidValueError


def t_probability(t: float, degrees: int) -> float:
    """Return the probability that |T| <= t, for t >= 0: a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(degrees))
    cosine = math.cos(angle)
    if degrees % 2:
        term, total = cosine, cosine if degrees > 1 else 0.0
        for k in range(3, degrees - 1, 2):
            term *= (k - 1) / k * cosine**2
            total += term
        return 2 / math.pi * (angle + math.sin(angle) * total)
    term = total = 1.0
    for k in range(2, degrees - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    return math.sin(angle) * total


def t_factor(level: float, degrees: int) -> float:
    """Return the t with which |T| <= t holds with a probability: half the width of an interval, in standard errors.

    Args:
        level: The probability, in (0, 1).
        degrees: Degrees of freedom, at least 1.

    Raises:
        InvalidValueError: If a number is out of range.
    """
    if not 0 < level < 1:
        raise InvalidValueError("level", level, "a probability between 0 and 1")
    if degrees < 1:
        raise InvalidValueError("degrees", degrees, "a whole number, at least 1")
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < level:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_probability(middle, degrees) < level else (low, middle)
    return high
