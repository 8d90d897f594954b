"""Where an expression stands, and what is known of its card."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from neuramosaic.codegen.sketch.equations.declared import Declared
from neuramosaic.codegen.sketch.equations.syntax import Node, Statement
from neuramosaic.codegen.sketch.equations.terms import Term


@dataclass(frozen=True)
class Context:
    """Where an expression stands.

    Attributes:
        query: Index of the position of the output.
        key: Index of the position that is summed over; empty outside of sums.
        step: Index of a convolution's taps; empty outside of one.
        bound: What the arguments of a function are.
        indexed: Whether its equation is one of positions, so that a name without an index is at that of the output.
        statement: The definition that it is part of; None in the body of a function.
        per_head: Whether each head has its own.
        depth: How many maps are around it.
        state: Whether it is part of what a state takes up.
        channels: Whether it is summed over channels.
        channel: Index of the channels that are summed over.
        length: Whether it is a length that a vector is divided by.
        whole: Whether it is cut into parts before it is split into heads.
    """

    query: str = "t"
    key: str = ""
    step: str = ""
    bound: Mapping[str, Term] = field(default_factory=dict)
    indexed: bool = True
    statement: Statement | None = None
    per_head: bool = False
    depth: int = 0
    state: bool = False
    channels: bool = False
    channel: str = ""
    length: bool = False
    whole: bool = False

    @property
    def remark(self) -> str:
        """What is said behind the equation."""
        return self.statement.remark if self.statement else ""


class Known(Protocol):
    """What the reading of a whole card knows."""

    hyperparameters: frozenset[str]
    declared: Declared
    is_modulator: bool
    has_heads: bool

    def defined(self, name: str) -> bool:
        """Whether an equation defines a name."""

    def value(self, name: str) -> Term:
        """Return what a defined name is."""

    def function(self, name: str) -> tuple[tuple[str, ...], Node] | None:
        """Return the arguments and the body of a function that an equation defines."""

    def parameter(self, name: str, kind: str, init: str) -> Term:
        """Return a learned parameter."""

    def map_size(self, name: str, context: Context, from_right: bool, is_outer: bool) -> str | None:
        """Return the size that a map is said to have."""

    def taps(self, context: Context) -> ast.expr | None:
        """Return the number of taps that a convolution without one has."""

    def is_normalised(self, text: str) -> bool:
        """Whether an expression is of length 1."""

    def is_gate(self, text: str) -> bool:
        """Whether an expression is a sigmoid or an exponential."""

    def once(self, what: str) -> None:
        """Say that something learned is used; twice would be two where the card has one."""
