"""Text of a stranger's making that can be shown on a terminal."""

from __future__ import annotations

_CONTROLS = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
}


def printable(text: str) -> str:
    """Replace every C0 and C1 control character but newline and tab.

    A terminal obeys escape sequences: they could move the cursor over what the host printed, set the clipboard, or
    rename the window. What a job wrote loses them where the host first reads it.
    """
    return text.translate(_CONTROLS)
