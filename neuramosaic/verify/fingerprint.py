"""Fingerprints of functions: short texts that tell whether two models compute the same.

A fingerprint holds a few numbers that were measured on the model (`neuramosaic.verify.probe`), not a hash of them:
equal functions that are computed in another order differ in their last digits, and a hash would make two of them. So
fingerprints are compared with a tolerance, far above those digits and far below what another function makes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

PREFIX = "f1:"
"""Names the way in which it was measured: fingerprints of another way match nothing."""
PROJECTIONS = 16
TOLERANCE = 1e-4
"""Greatest difference of a projection, relative to the size of the logits, within the same function."""
_NUMBER = r"-?\d\.\d{6}e[+-]\d{2}"
PATTERN = rf"^{PREFIX}{_NUMBER}(,{_NUMBER}){{{PROJECTIONS}}}$"
"""What a fingerprint looks like."""


def write(size: float, projections: Sequence[float]) -> str | None:
    """Return a fingerprint.

    Args:
        size: Root mean square of the logits.
        projections: `PROJECTIONS` numbers of about that size.

    Returns:
        None if a number is not finite, or has no place in a fingerprint.
    """
    numbers = (size, *projections)
    if not all(math.isfinite(number) and (number == 0 or 1e-99 < abs(number) < 1e99) for number in numbers):
        return None
    return PREFIX + ",".join(f"{number:.6e}" for number in numbers)


def find(function: str, known: Mapping[str, str]) -> str | None:
    """Return what `known` has for this function, or None if it is another one than all of them.

    Args:
        function: A fingerprint.
        known: Values by fingerprint.
    """
    return next((value for other, value in known.items() if _same(function, other)), None)


def _same(one: str, other: str) -> bool:
    if not (one.startswith(PREFIX) and other.startswith(PREFIX)):
        return False
    a, b = ([float(number) for number in text.removeprefix(PREFIX).split(",")] for text in (one, other))
    limit = TOLERANCE * max(a[0], b[0])
    return len(a) == len(b) and all(abs(x - y) <= limit for x, y in zip(a, b, strict=True))
