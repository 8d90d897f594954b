"""Canonical JSON and the content ids made from it."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: sorted keys, no spaces, shortest round-tripping floats, no NaN.

    Raises:
        ValueError: If a float is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_id(value: Any) -> str:
    """Return `sha256:<64 hex digits>` of the canonical JSON of `value`."""
    return text_id(canonical_json(value))


def text_id(text: str) -> str:
    """Return `sha256:<64 hex digits>` of a text's UTF-8 bytes."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
