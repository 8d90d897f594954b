"""The key of the user's account. Read where it is used, kept nowhere, and cut out of whatever it gets into."""

from __future__ import annotations

import os

#: The environment variable that holds the key.
KEY_VARIABLE = "OPENAI_API_KEY"
#: What stands where the key stood.
REDACTED = "[key removed]"
_SHORTEST = 8  # characters; what is shorter is a placeholder, and may be a word of an ordinary text


def api_key() -> str | None:
    """Return the key, or None if there is none."""
    return os.environ.get(KEY_VARIABLE, "").strip() or None


def redact(text: str) -> str:
    """Return a text without the key."""
    key = api_key()
    return text.replace(key, REDACTED) if key is not None and len(key) >= _SHORTEST else text
