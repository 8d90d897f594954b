"""JSON that came out of a sandbox: parsed strictly or refused."""

from __future__ import annotations

import json
import math
from typing import Any


class RefusedError(ValueError):
    """Untrusted bytes that are not what they must be. The text says what was wrong."""


def loads(data: bytes, *, max_bytes: int) -> Any:
    """Parse one JSON document that a stranger wrote.

    Args:
        data: UTF-8 text.
        max_bytes: Longest text accepted.

    Returns:
        The value; every number in it is finite, no object had a key twice.

    Raises:
        RefusedError: If it is too long, not UTF-8, not JSON, nested too deep, has a duplicate key, or holds a number
            that is NaN or infinite (also one that only becomes infinite when read, such as 1e999).
    """
    if len(data) > max_bytes:
        raise RefusedError(f"{len(data)} bytes, more than the {max_bytes} accepted")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except RefusedError:
        raise
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedError("an object has the same key twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RefusedError(f"the number {text[:20]} is not finite")
    return value


def _refuse_constant(name: str) -> float:
    raise RefusedError(f"the number {name} is not finite")
