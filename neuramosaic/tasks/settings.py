"""Checks of a task's settings, each with an error that names the field and its domain."""

from __future__ import annotations

from typing import Any

from neuramosaic.errors import InvalidValueError

LONGEST_SEQUENCE = 65_536


def whole_number(field: str, value: Any, low: int, high: int) -> int:
    """Return `value` if it is a whole number from `low` to `high`.

    Raises:
        InvalidValueError: If it is not; names the field.
    """
    if type(value) is not int or not low <= value <= high:
        raise InvalidValueError(field, value, f"a whole number from {low} to {high}")
    return value
