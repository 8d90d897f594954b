"""What the laboratory knows of a component besides its code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from neuramosaic.components.rule import ParameterRule
from neuramosaic.errors import UnknownOptionError
from neuramosaic.space.domains import Parameter


class Slot(StrEnum):
    """The place in a model that a component fills."""

    MIXER = "mixer"
    CHANNEL = "channel"
    NORM = "norm"
    POSITION = "position"
    RESIDUAL = "residual"
    MODULATOR = "modulator"


class CostClass(StrEnum):
    """How time grows with the sequence length T."""

    CONSTANT = "constant"
    LINEAR = "linear"
    LOG_LINEAR = "log-linear"
    QUADRATIC = "quadratic"


class Provenance(StrEnum):
    """Where a component came from."""

    CATALOGUE = "catalogue"
    PAPER = "paper"
    DESIGNED = "designed"
    OWN = "own"
    """A person wrote it and added it to a workspace."""


@dataclass(frozen=True)
class ComponentSpec:
    """A component of the space.

    Attributes:
        name: Unique within its slot, snake case: "sliding_attention".
        slot: The slot it fills.
        class_name: Name of its class in `source`.
        summary: One line.
        source: Python source of one file that imports torch only; the class stands in it.
        hyperparameters: Domains of the keyword arguments of the class, in order; each has a default.
        paper: arXiv id, or None.
        cost: How its time grows with T.
        provenance: Where it came from.
        uses_position: Whether its class takes `position=` (attention does).
        counts: How many parameters it has, where its code may not run to be counted.
        traits: What the search may know of it before its first trial, such as
            `{"recurrent": True, "gated": True, "state": "matrix"}`.
        version: First 12 hex digits of the sha256 of `source`.
    """

    name: str
    slot: Slot
    class_name: str
    summary: str
    source: str = field(repr=False)
    hyperparameters: tuple[Parameter, ...] = ()
    paper: str | None = None
    cost: CostClass = CostClass.LINEAR
    provenance: Provenance = Provenance.CATALOGUE
    uses_position: bool = False
    traits: dict[str, Any] = field(default_factory=dict, hash=False)
    counts: ParameterRule | None = field(default=None, repr=False)
    version: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", hashlib.sha256(self.source.encode()).hexdigest()[:12])

    def defaults(self) -> dict[str, Any]:
        """Return every hyper-parameter with its default."""
        return {parameter.name: parameter.default for parameter in self.hyperparameters}

    def check(self, hyperparameters: dict[str, Any]) -> None:
        """Check a full set of hyper-parameters.

        Raises:
            UnknownOptionError: If a name is not a hyper-parameter of this component.
            InvalidValueError: If a value is outside its domain.
        """
        domains = {parameter.name: parameter for parameter in self.hyperparameters}
        for name, value in hyperparameters.items():
            if name not in domains:
                raise UnknownOptionError(f"{self.slot} {self.name!r}", name, domains)
            domains[name].check(value)
