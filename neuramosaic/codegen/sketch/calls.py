"""Calls in a sketch: which function of the vocabulary is meant, and which argument is which."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass

from neuramosaic.codegen.sketch.values import Kind, SketchError, Value
from neuramosaic.codegen.sketch.vocabulary import FUNCTIONS, OTHER_NAMES

_PREFIXES = ("torch.nn.functional.", "nn.functional.", "F.", "torch.", "math.")
#: What arguments are also called.
_OTHER_ARGUMENTS = {
    "out": "size", "out_features": "size", "d_out": "size", "value": "init", "kernel_size": "taps",
}  # fmt: skip
#: Arguments of torch's functions that the vocabulary's have no need of.
_IGNORED = ("dim", "keepdim", "causal", "is_causal")
#: Functions whose first argument, a linear map, takes the name of what the whole is assigned to.
_NAMED_THROUGH = frozenset(
    "split_heads sigmoid silu tanh relu gelu elu softplus normalize softmax chunk exp square causal_conv rms_norm "
    "logsigmoid".split()
)


@dataclass(frozen=True)
class Call:
    """A call.

    Attributes:
        name: The function, by the vocabulary's name for it where it has one.
        arguments: Arguments in order; of a method, its object first.
        keywords: Arguments by name.
    """

    name: str
    arguments: list[ast.expr]
    keywords: list[ast.keyword]

    def unknown(self) -> SketchError:
        """Return the error that there is no such function."""
        near = difflib.get_close_matches(self.name, FUNCTIONS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return SketchError(f"there is no function {self.name}; {hint}use those that were listed")

    def matched(self) -> tuple[dict[str, ast.expr], dict[str, Value]]:
        """Return the arguments of a function of the vocabulary by name, and options that it has besides.

        Raises:
            SketchError: If it has no such argument.
        """
        function = FUNCTIONS[self.name]
        given: dict[str, ast.expr] = dict(zip(function.names, self.arguments, strict=False))
        if self.name == "linear" and len(self.arguments) == 3:  # in and out, as nn.Linear has them
            given = {"z": self.arguments[0], "size": self.arguments[2]}
        elif len(self.arguments) > len(function.names):
            raise SketchError(f"{function.signature} takes {len(function.names)} arguments, not {len(self.arguments)}")
        options: dict[str, Value] = {}
        for keyword in self.keywords:
            key = _OTHER_ARGUMENTS.get(keyword.arg or "", keyword.arg or "")
            if key == "init" and self.name == "param" and "size" not in given:
                options[key] = Value(keyword.value, Kind.NUMBER)  # its place is behind a size that is left open
            elif key in function.names:
                given[key] = keyword.value
            elif key == "bias" or (key == "spread" and self.name == "param"):
                options[key] = Value(keyword.value, Kind.NUMBER)
            elif key not in _IGNORED:
                raise SketchError(f"{function.signature} has no argument {key}")
        return given, options

    def in_order(self, given: dict[str, ast.expr]) -> list[ast.expr]:
        """Return arguments by name in the order in which the function takes them.

        Raises:
            SketchError: If one that it needs is missing.
        """
        function = FUNCTIONS[self.name]
        for name in function.names[: function.least]:
            if name not in given:
                raise SketchError(f"{function.signature}: {name} is missing")
        ordered: list[ast.expr] = []
        for name in function.names:
            if name not in given or name in ("dim", "keepdim"):
                break
            ordered.append(given[name])
        return ordered

    def passes_its_name_on(self, first: ast.expr) -> bool:
        """Whether a linear map that is its first argument is named after what the whole is assigned to."""
        return isinstance(first, ast.Call) and self.name in _NAMED_THROUGH


def read_call(node: ast.Call) -> Call:
    """Return a call: `F.silu(z)`, `z.sigmoid()` and `conv1d(z, 4)` by the vocabulary's names."""
    name, arguments = plain_name(node), list(node.args)
    if isinstance(node.func, ast.Attribute) and name == ast.unparse(node.func):  # a method: z.sigmoid()
        name, arguments = node.func.attr, [node.func.value, *arguments]
    if name not in FUNCTIONS:
        name = re.sub(r"_(t|s)$", "", OTHER_NAMES.get(name, name))
    if name == "cos" and len(arguments) == 2:
        name = "cosine"
    return Call(OTHER_NAMES.get(name, name), arguments, list(node.keywords))


def plain_name(node: ast.Call) -> str:
    """Return the name that a call has, without the module of torch that it may come from."""
    text = ast.unparse(node.func)
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text
