"""Text of a paper made harmless: one line of printable characters that no terminal, template or delimiter obeys.

A paper is data. What it says is shown and quoted; what looks like a command to a terminal, a chat template or a program
is text with the teeth drawn.
"""

from __future__ import annotations

import re
import unicodedata

#: Longest run of characters without a space that is shown whole; a longer one is no word.
LONGEST_WORD = 200
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_RUNS = re.compile(r"([=<>#~`-])\1{2,}")  # a line of these would look like one of our delimiters
_SPECIAL = re.compile(r"<(?=[<|/!?]|[A-Za-z_]+[ >|/])|\|(?=>)|\[(?=/?INST\])")


def plain(text: str, most: int | None = None) -> str:
    """Return a text on one line, without control, format and private characters, and cut at a word if it is too long.

    Args:
        text: Any text.
        most: Greatest number of characters; by default all of it.
    """
    text = _ESCAPES.sub("", text)
    kept = "".join(_printable(character) for character in text)
    line = " ".join(word[:LONGEST_WORD] for word in kept.split())
    if most is not None and len(line) > most:
        line = line[:most].rpartition(" ")[0] or line[:most]
    return line


def quotable(text: str, most: int | None = None) -> str:
    """Return a text for a prompt: plain, and nothing in it looks like a delimiter or a token of a chat template."""
    line = _RUNS.sub(lambda run: run[1], plain(text))
    return plain(_SPECIAL.sub(lambda mark: f"{mark[0]} ", line), most)


def canonical(text: str) -> str:
    """Return what two texts share if they say the same: letters and digits, without case, accents or ligatures."""
    spread = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in spread if character.isalnum())


def says(passage: str, quote: str) -> bool:
    """Whether a quote stands literally in a passage, but for spaces, punctuation, case and ligatures."""
    wanted = canonical(quote)
    return bool(wanted) and wanted in canonical(passage)


def _printable(character: str) -> str:
    if character in "\t\n\r\f\v\u2028\u2029":
        return " "
    category = unicodedata.category(character)
    return "" if category in ("Cc", "Cf", "Cs", "Co", "Cn") else character
