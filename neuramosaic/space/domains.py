"""The three kinds of parameter: categorical, integer, float. Each maps its values onto the unit interval and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuramosaic.errors import InvalidValueError, UsageError

Value = str | int | float | bool | None

MUTATION_SCALE = 0.2  # Standard deviation of a numeric mutation, in the unit interval.
NEIGHBOUR_STEPS = (0.02, 0.1, 0.25)  # How far the neighbours of a numeric value are, in the unit interval.
LARGEST_INTEGER = 2**44  # Up to here every whole number owns a bin that double precision can tell from the next.


@dataclass(frozen=True)
class Categorical:
    """A choice without order.

    Attributes:
        name: Unique within its space.
        choices: The values, at least one, in a fixed order: strings, numbers, truth values or None.
        default: Value used where the parameter is inactive; the first choice if not given.
    """

    name: str
    choices: tuple[Value, ...]
    default: Any = ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices:
            raise UsageError(f"parameter {self.name!r}: choices are empty")
        for choice in self.choices:
            if not isinstance(choice, Value) or (isinstance(choice, float) and not math.isfinite(choice)):
                raise UsageError(f"parameter {self.name!r}: {choice!r} cannot be a choice: it has no plain JSON form")
        if len(set(self.choices)) != len(self.choices):
            raise UsageError(f"parameter {self.name!r}: choices repeat: {list(self.choices)}")
        if self.default is ...:
            object.__setattr__(self, "default", self.choices[0])
        self.check(self.default)

    def check(self, value: Any) -> None:
        """Raise `InvalidValueError` if `value` is not one of the choices (of the very same type)."""
        if not any(type(value) is type(choice) and value == choice for choice in self.choices):
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

    def mutate(self, value: Any, rng: np.random.Generator) -> Any:
        """Draw one of the other choices uniformly; there must be one."""
        step = int(rng.integers(1, len(self.choices)))
        return self.choices[(self.choices.index(value) + step) % len(self.choices)]

    def neighbours(self, value: Any) -> list[Any]:
        """Return all other choices."""
        return [choice for choice in self.choices if choice != value]

    def values(self) -> Iterator[Any]:
        """Yield every choice, in order."""
        return iter(self.choices)

    @property
    def cardinality(self) -> int | None:
        """How many values there are."""
        return len(self.choices)

    def to_json(self) -> dict[str, Any]:
        """Return the definition as plain JSON."""
        return {"kind": "categorical", "name": self.name, "choices": list(self.choices), "default": self.default}


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
        for bound in (self.low, self.high):
            if type(bound) is not int or abs(bound) > LARGEST_INTEGER:
                raise UsageError(f"parameter {self.name!r}: bad bound {bound!r}: expected an int of at most 2**44")
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
            return math.log(self.low - 0.5), math.log(self.high + 0.5)
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

    def mutate(self, value: int, rng: np.random.Generator) -> int:
        """Draw another value, most likely a near one; there must be one."""
        moved = self.from_unit(_reflect(self.to_unit(value) + MUTATION_SCALE * float(rng.standard_normal())))
        if moved != value:
            return moved
        beside = [near for near in (value - 1, value + 1) if self.low <= near <= self.high]
        return beside[int(rng.integers(len(beside)))]

    def neighbours(self, value: int) -> list[int]:
        """Return the next values and a few farther ones on either side, without repeats."""
        unit = self.to_unit(value)
        near = [max(value - 1, self.low), min(value + 1, self.high)]
        far = [self.from_unit(unit + sign * step) for step in NEIGHBOUR_STEPS for sign in (-1, 1)]
        return [other for other in dict.fromkeys(near + far) if other != value]

    def values(self) -> Iterator[int]:
        """Yield every value, in order."""
        return iter(range(self.low, self.high + 1))

    @property
    def cardinality(self) -> int | None:
        """How many values there are."""
        return self.high - self.low + 1

    def to_json(self) -> dict[str, Any]:
        """Return the definition as plain JSON."""
        return {
            "kind": "integer",
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "default": self.default,
        }


@dataclass(frozen=True)
class Float:
    """A real number in [low, high].

    Every number of the range is valid. Those made here (drawn, decoded, mutated) are short: rounded to a millionth of
    the range on a linear scale, to seven significant digits on a logarithmic one. A value from outside survives
    `from_unit(to_unit(value))` unchanged if it is short too, up to about twelve digits, and is rounded otherwise.

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
        finite = math.isfinite(self.low) and math.isfinite(self.high) and math.isfinite(self.high - self.low)
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
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return float((value - self.low) / (self.high - self.low))

    def from_unit(self, unit: float) -> float:
        """Return the shortest value at `unit` (see the class); anything outside [0, 1] is clipped."""
        unit = _clip(unit)
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            raw = math.exp(low + unit * (high - low))
        else:
            raw = self.low + unit * (self.high - self.low)
        short = self._rounded(raw, 6)
        if self.to_unit(short) == unit:
            return short
        longer = self._rounded(raw, 11)
        return longer if self.to_unit(longer) == unit else short

    def _rounded(self, raw: float, digits: int) -> float:
        if self.log:
            # A range such as [1, 1.001] needs more digits to tell its values apart.
            digits += max(0, -math.floor(math.log10(math.log(self.high) - math.log(self.low))))
            value = float(f"{raw:.{digits}e}")
        else:
            value = float(round(raw, digits - math.floor(math.log10(self.high - self.low))))
        return min(max(value, self.low), self.high)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value: uniformly, or uniformly in its logarithm."""
        return self.from_unit(float(rng.random()))

    def mutate(self, value: float, rng: np.random.Generator) -> float:
        """Draw another value, most likely a near one."""
        moved = self.from_unit(_reflect(self.to_unit(value) + MUTATION_SCALE * float(rng.standard_normal())))
        if moved != value:
            return moved
        return self.high if self.to_unit(value) < 0.5 else self.low

    def neighbours(self, value: float) -> list[float]:
        """Return a few values on either side, without repeats."""
        unit = self.to_unit(value)
        others = [self.from_unit(unit + sign * step) for step in NEIGHBOUR_STEPS for sign in (-1, 1)]
        return [other for other in dict.fromkeys(others) if other != value]

    def values(self) -> Iterator[float]:
        """Refuse: a continuum cannot be listed."""
        raise UsageError(f"the values of the Float {self.name!r} cannot be listed")

    @property
    def cardinality(self) -> int | None:
        """None: a continuum."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the definition as plain JSON."""
        return {
            "kind": "float",
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "default": self.default,
        }


Parameter = Categorical | Integer | Float


def _clip(unit: float) -> float:
    return 0.5 if math.isnan(unit) else min(max(float(unit), 0.0), 1.0)


def _reflect(unit: float) -> float:
    """Fold the real line onto [0, 1] at its ends, so that mutation does not pile up on the bounds."""
    return 1.0 - abs(1.0 - unit % 2.0)
