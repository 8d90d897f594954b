"""What training is told."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuramosaic.errors import InvalidValueError, UnknownOptionError

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        tokens: Token budget, the fidelity; rounded up to whole batches.
        batch_size: Sequences per step.
        learning_rate: Peak learning rate of AdamW.
        min_lr_fraction: Learning rate at the end, as a fraction of the peak.
        weight_decay: Of parameters with two or more dimensions; the others have none.
        warmup_fraction: Fraction of the steps over which the learning rate rises linearly.
        betas: AdamW's decay rates of the first and second moment.
        grad_clip: Largest gradient norm; 0 does not clip.
        eval_batches: Batches of 32 windows (fewer if the split is short) that make the val loss.
        eval_every_tokens: Val loss each so many tokens besides the one at the end; 0 for the end only.
        wall_s: Seconds after which training ends early and is evaluated as it stands; None for no limit.
        precision: "auto" is bfloat16 autocast on a GPU that has it, else float32.
    """

    tokens: int = 1_000_000
    batch_size: int = 32
    learning_rate: float = 1e-3
    min_lr_fraction: float = 0.1
    weight_decay: float = 0.1
    warmup_fraction: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    grad_clip: float = 1.0
    eval_batches: int = 16
    eval_every_tokens: int = 0
    wall_s: float | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, low in (("tokens", 1), ("batch_size", 1), ("eval_batches", 1), ("eval_every_tokens", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < low:
                raise InvalidValueError(f"training.{name}", value, f"a whole number of at least {low}")
        self._number("learning_rate", 0.0, 1e3, above=True)
        self._number("min_lr_fraction", 0.0, 1.0)
        self._number("weight_decay", 0.0, 1e3)
        self._number("warmup_fraction", 0.0, 1.0)
        self._number("grad_clip", 0.0, 1e9)
        if self.wall_s is not None:
            self._number("wall_s", 0.0, 1e9, above=True)
        if len(self.betas) != 2 or not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise InvalidValueError("training.betas", self.betas, "two numbers in [0, 1)")
        if self.precision not in PRECISIONS:
            raise InvalidValueError("training.precision", self.precision, f"one of {list(PRECISIONS)}")

    def _number(self, name: str, low: float, high: float, *, above: bool = False) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not low <= value <= high or (above and value == low):
            raise InvalidValueError(f"training.{name}", value, f"a number {'above' if above else 'from'} {low:g}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingConfig:
        """Read what `to_dict` wrote; absent keys keep their defaults.

        Raises:
            UnknownOptionError: If a key is not a field.
            InvalidValueError: If a value is outside its domain; names the field.
        """
        valid = [item.name for item in dataclasses.fields(cls)]
        for key in data:
            if key not in valid:
                raise UnknownOptionError("training", key, valid)
        values = dict(data)
        if isinstance(values.get("betas"), list):
            values["betas"] = tuple(values["betas"])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return every field, JSON."""
        return {**dataclasses.asdict(self), "betas": list(self.betas)}
