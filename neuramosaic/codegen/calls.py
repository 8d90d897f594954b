"""Constructor calls as source text, laid out as a formatter leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuramosaic.codegen.imports import LINE_LENGTH


@dataclass(frozen=True)
class Call:
    """A call such as `SwiGLU(WIDTH, expansion=4)`.

    Attributes:
        function: What is called; `lambda: RMSNorm` reads as a function of no arguments.
        positional: Source texts of the arguments without a name.
        keywords: Arguments by name: calls, or source texts.
    """

    function: str
    positional: tuple[str, ...]
    keywords: Mapping[str, Call | str]

    def flat(self) -> str:
        """Return it on one line."""
        keywords = (
            f"{key}={value.flat() if isinstance(value, Call) else value}" for key, value in self.keywords.items()
        )
        return f"{self.function}({', '.join((*self.positional, *keywords))})"

    def lines(self, prefix: str, suffix: str = "", *, indent: int = 4) -> list[str]:
        """Return it on one line if it is simple and fits, else with one argument per line.

        Args:
            prefix: Text before it, such as "return ".
            suffix: Text after it, such as ",".
            indent: Spaces before the first line.
        """
        space = " " * indent
        simple = not any(isinstance(value, Call) for value in self.keywords.values())
        if simple and len(flat := f"{space}{prefix}{self.flat()}{suffix}") <= LINE_LENGTH:
            return [flat]
        lines = [f"{space}{prefix}{self.function}("]
        lines.extend(f"{space}    {text}," for text in self.positional)
        for key, value in self.keywords.items():
            if isinstance(value, Call):
                lines.extend(value.lines(f"{key}=", ",", indent=indent + 4))
            else:
                lines.append(f"{space}    {key}={value},")
        return [*lines, f"{space}){suffix}"]


def literal(value: Any) -> str:
    """Return a hyper-parameter's value as source text, strings in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)
