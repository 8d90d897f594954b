"""The three kinds of parameter: categorical, integer and float. Each maps its values onto the unit interval and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuramosaic.errors import InvalidValueError, UsageError

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Categorical:
    """A choice without order.

    Attributes:
        name: Unique within its space.
        choices: The values, at least one, in a fixed order.
        default: Value used where the parameter is inactive; the first choice if not given.
    """

    name: str
    choices: tuple[Value, ...]
    default: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices:
            raise UsageError(f"parameter {self.name!r}: choices are empty")
        if len(set(self.choices)) != len(self.choices):
            raise UsageError(f"parameter {self.name!r}: choices repeat: {list(self.choices)}")
        if self.default is None and None not in self.choices:
            object.__setattr__(self, "default", self.choices[0])
        self.check(self.default)

    def check(self, value: Any) -> None:
        """Raise `InvalidValueError` if `value` is not one of the choices (of the very same type)."""
        if not any(value == choice and type(value) is type(choice) for choice in self.choices):
            raise InvalidValueError(self.name, value, f"one of {list(self.choices)}")

    def to_unit(self, value: Any) -> float:
        """Return the middle of the value's bin, in (0, 1)."""
        self.check(value)
        return (self.choices.index(value) + 0.5) / len(self.choices)

    def from_unit(self, unit: float) -> Any:
        """Return the choice whose bin holds `unit`; anything outside [0, 1] is clipped."""
        return self.choices[min(int(_clip(unit) * len(self.choices)), len(self.choices) - 1)]

    def sample(self, rng: np.random.Generator) -> Any:
        """Draw a choice uniformly."""
        return self.choices[int(rng.integers(len(self.choices)))]

    @property
    def cardinality(self) -> int | None:
        """How many values there are."""
        return len(self.choices)


@dataclass(frozen=True)
class Integer:
    """A whole number in [low, high], both included.

    Attributes:
        name: Unique within its space.
        low: Least value.
        high: Greatest value.
        log: Whether equal ratios, not equal differences, are equally far apart (needs low >= 1).
        default: Value used where the parameter is inactive; the middle if not given.
    """

    name: str
    low: int
    high: int
    log: bool = False
    default: int = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.low > self.high or (self.log and self.low < 1):
            raise UsageError(f"parameter {self.name!r}: bad range [{self.low}, {self.high}], log={self.log}")
        if self.default is None:
            object.__setattr__(self, "default", self.from_unit(0.5))
        self.check(self.default)

    def check(self, value: Any) -> None:
        """Raise `InvalidValueError` if `value` is not a whole number of the range."""
        if type(value) is not int or not self.low <= value <= self.high:
            raise InvalidValueError(self.name, value, f"a whole number from {self.low} to {self.high}")

    def _edges(self) -> tuple[float, float]:
        if self.log:
            return math.log(self.low - 0.5 if self.low > 1 else 0.5), math.log(self.high + 0.5)
        return self.low - 0.5, self.high + 0.5

    def to_unit(self, value: Any) -> float:
        """Return where the value lies in [0, 1]; every value owns a bin of its own."""
        self.check(value)
        low, high = self._edges()
        return ((math.log(value) if self.log else value) - low) / (high - low)

    def from_unit(self, unit: float) -> int:
        """Return the value whose bin holds `unit`; anything outside [0, 1] is clipped."""
        low, high = self._edges()
        raw = low + _clip(unit) * (high - low)
        number = math.floor((math.exp(raw) if self.log else raw) + 0.5)
        return min(max(number, self.low), self.high)

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value: uniformly, or uniformly in its logarithm."""
        return self.from_unit(float(rng.random()))

    @property
    def cardinality(self) -> int | None:
        """How many values there are."""
        return self.high - self.low + 1


@dataclass(frozen=True)
class Float:
    """A real number in [low, high].

    Attributes:
        name: Unique within its space.
        low: Least value.
        high: Greatest value.
        log: Whether the scale is logarithmic (needs low > 0).
        default: Value used where the parameter is inactive; the middle if not given.
    """

    name: str
    low: float
    high: float
    log: bool = False
    default: float = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        finite = math.isfinite(self.low) and math.isfinite(self.high)
        if not finite or self.low >= self.high or (self.log and self.low <= 0):
            raise UsageError(f"parameter {self.name!r}: bad range [{self.low}, {self.high}], log={self.log}")
        if self.default is None:
            object.__setattr__(self, "default", self.from_unit(0.5))
        self.check(self.default)

    def check(self, value: Any) -> None:
        """Raise `InvalidValueError` if `value` is not a finite number of the range."""
        if type(value) not in (int, float) or not self.low <= value <= self.high:
            raise InvalidValueError(self.name, value, f"a number from {self.low:g} to {self.high:g}")

    def to_unit(self, value: Any) -> float:
        """Return where the value lies in [0, 1]."""
        self.check(value)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def from_unit(self, unit: float) -> float:
        """Return the value at `unit`, to six significant digits; anything outside [0, 1] is clipped."""
        unit = _clip(unit)
        raw = self.low * (self.high / self.low) ** unit if self.log else self.low + unit * (self.high - self.low)
        return min(max(float(f"{raw:.6g}"), self.low), self.high)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value: uniformly, or uniformly in its logarithm."""
        return self.from_unit(float(rng.random()))

    @property
    def cardinality(self) -> int | None:
        """None: a continuum."""
        return None


Parameter = Categorical | Integer | Float


def _clip(unit: float) -> float:
    return 0.5 if math.isnan(unit) else min(max(float(unit), 0.0), 1.0)
