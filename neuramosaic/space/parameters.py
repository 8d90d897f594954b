"""The generic parameter space: parameters, the conditions between them, and the moves that searches make in it.

A point is a plain dict that holds exactly the active parameters: `{"mixer": "attention", "mixer.heads": 4}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from neuramosaic.canonical import content_id
from neuramosaic.errors import InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.space.domains import Categorical, Float, Parameter

Point = dict[str, Any]
Key = frozenset[tuple[str, Any]]


@dataclass(frozen=True)
class Condition:
    """`parameter` is active only where `parent` is active and has one of `values`.

    Several conditions on one parameter must all hold.

    Attributes:
        parameter: Name of the parameter that is switched.
        parent: Name of the categorical or integer parameter that switches it.
        values: The values of the parent that switch it on.
    """

    parameter: str
    parent: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether the parent is active in `values` with one of the values that switch the parameter on."""
        return self.parent in values and values[self.parent] in self.values


class ParameterSpace:
    """Parameters of any kind, with conditions between them.

    Every parameter, active or not, owns one dimension of the unit cube. `decode` is total on the cube and
    `decode(encode(point)) == point`; see `Float` for the digits that it keeps.

    Args:
        parameters: The parameters; their order is the order of the dimensions.
        conditions: Which parameters are active where. They may name each other in any order, but not in a circle.

    Raises:
        UsageError: If there is no parameter, a name repeats, or a condition is circular or names a Float as parent.
        UnknownNameError: If a condition names a parameter that does not exist.
        InvalidValueError: If a condition names a value that its parent cannot have.
    """

    def __init__(self, parameters: Iterable[Parameter], conditions: Iterable[Condition] = ()) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(parameters)
        self.conditions: tuple[Condition, ...] = tuple(conditions)
        self.names: tuple[str, ...] = tuple(parameter.name for parameter in self.parameters)
        if not self.names:
            raise UsageError("a parameter space needs at least one parameter")
        self._domains = {parameter.name: parameter for parameter in self.parameters}
        if len(self._domains) != len(self.names):
            repeated = sorted({name for name in self.names if self.names.count(name) > 1})
            raise UsageError(f"parameter names repeat: {', '.join(repeated)}")
        self._conditions: dict[str, list[Condition]] = {name: [] for name in self.names}
        for condition in self.conditions:
            self._add_condition(condition)
        self._order = self._sorted_by_dependence()
        # What every walk over the parameters needs, flat: searches walk thousands of times per decision.
        self._plan = [
            (name, self._domains[name], [(c.parent, c.values) for c in self._conditions[name]]) for name in self._order
        ]
        self._index = {name: index for index, name in enumerate(self.names)}
        self._default_units = np.array([parameter.to_unit(parameter.default) for parameter in self.parameters])

    def _add_condition(self, condition: Condition) -> None:
        for name in (condition.parameter, condition.parent):
            if name not in self._domains:
                raise UnknownNameError("parameter", name, self.names)
        parent = self._domains[condition.parent]
        if isinstance(parent, Float):
            raise UsageError(f"parameter {condition.parameter!r} cannot depend on {parent.name!r}, which is a Float")
        if not condition.values:
            raise UsageError(f"parameter {condition.parameter!r}: its condition on {parent.name!r} has no values")
        for value in condition.values:
            parent.check(value)
        self._conditions[condition.parameter].append(condition)

    def _sorted_by_dependence(self) -> tuple[str, ...]:
        """Return the names, parents before children and otherwise in the given order."""
        order: dict[str, None] = {}
        waiting = list(self.names)
        while waiting:
            ready = [name for name in waiting if all(c.parent in order for c in self._conditions[name])]
            if not ready:
                raise UsageError(f"conditions run in a circle through {', '.join(waiting)}")
            order.update(dict.fromkeys(ready))
            waiting = [name for name in waiting if name not in order]
        return tuple(order)

    def __repr__(self) -> str:
        return f"ParameterSpace({self.dimension} parameters, {len(self.conditions)} conditions, {self.version[:19]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParameterSpace) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __getitem__(self, name: str) -> Parameter:
        """Return the parameter of that name.

        Raises:
            UnknownNameError: If there is none.
        """
        if name not in self._domains:
            raise UnknownNameError("parameter", name, self.names)
        return self._domains[name]

    @property
    def dimension(self) -> int:
        """How many parameters there are, which is the dimension of the unit cube."""
        return len(self.parameters)

    def to_json(self) -> dict[str, Any]:
        """Return the definition as plain JSON."""
        return {
            "parameters": [parameter.to_json() for parameter in self.parameters],
            "conditions": [
                {"parameter": c.parameter, "parent": c.parent, "values": list(c.values)} for c in self.conditions
            ],
        }

    @cached_property
    def version(self) -> str:
        """Content id of the definition; the same in every process."""
        return content_id(self.to_json())

    def _resolve(self, choose: Callable[[str, Parameter], Any]) -> Point:
        """Return the active parameters, in order, with the values that `choose` gives them, parents first."""
        values: Point = {}
        for name, domain, conditions in self._plan:
            for parent, switches in conditions:
                if parent not in values or values[parent] not in switches:
                    break
            else:
                values[name] = choose(name, domain)
        return values if self._order == self.names else {name: values[name] for name in self.names if name in values}

    def active(self, point: Mapping[str, Any]) -> list[str]:
        """Return the names of the active parameters, in order.

        Args:
            point: Values of at least the parameters that others depend on; values of inactive ones are ignored.
        """
        return list(self._resolve(lambda name, _: point.get(name, ...)))

    def validate(self, point: Mapping[str, Any]) -> None:
        """Check that `point` holds exactly the active parameters, each within its domain.

        Raises:
            UnknownOptionError: If it holds a name that is no parameter.
            InvalidValueError: If a value is missing, outside its domain, or given to an inactive parameter.
        """
        if not isinstance(point, Mapping):
            raise InvalidValueError("point", point, "a mapping from parameter names to values")
        for name in point:
            if name not in self._domains:
                raise UnknownOptionError("point", str(name), self.names)
        active = self.active(point)
        for name in active:
            if name not in point:
                raise InvalidValueError(name, None, "a value, because the parameter is active; it is missing")
            self._domains[name].check(point[name])
        for name in point.keys() - set(active):
            wanted = " and ".join(f"{c.parent} is one of {list(c.values)}" for c in self._conditions[name])
            raise InvalidValueError(name, point[name], f"no value unless {wanted}")

    def key(self, point: Mapping[str, Any]) -> Key:
        """Return a hashable key: equal for equal points, and for no others."""
        return frozenset(point.items())

    def sample(self, rng: np.random.Generator) -> Point:
        """Draw each active parameter from its domain, parents first."""
        return self._filled({}, rng)

    def default(self) -> Point:
        """Return the point of all defaults."""
        return self._filled({}, None)

    def _filled(self, given: Mapping[str, Any], rng: np.random.Generator | None) -> Point:
        """Complete `given` to a point: drop what is inactive, draw (or set to its default) what is missing."""

        def choose(name: str, domain: Parameter) -> Any:
            if name in given:
                return given[name]
            return domain.default if rng is None else domain.sample(rng)

        return self._resolve(choose)

    def encode(self, point: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return the point in the unit cube, shape `(dimension,)`; an inactive dimension holds its default.

        Raises:
            UnknownOptionError: If it holds a name that is no parameter.
            InvalidValueError: If a value is outside its domain.
        """
        vector = self._default_units.copy()
        for name, value in point.items():
            if name not in self._index:
                raise UnknownOptionError("point", str(name), self.names)
            vector[self._index[name]] = self._domains[name].to_unit(value)
        return vector

    def decode(self, vector: npt.ArrayLike) -> Point:
        """Return the point whose cell holds `vector`; coordinates are clipped to [0, 1], and NaN counts as 0.5.

        Args:
            vector: Shape `(dimension,)`.

        Raises:
            InvalidValueError: If the shape is another.
        """
        units = np.asarray(vector, dtype=np.float64)
        if units.shape != (self.dimension,):
            raise InvalidValueError("vector", units.shape, f"the shape ({self.dimension},)")
        by_name = dict(zip(self.names, units.tolist(), strict=True))
        return self._resolve(lambda name, domain: domain.from_unit(by_name[name]))

    def mutate(self, point: Mapping[str, Any], rng: np.random.Generator, n: int = 1) -> Point:
        """Change up to `n` active parameters, at least one; parameters that this switches on are drawn.

        Args:
            point: A valid point.
            rng: Source of the choices.
            n: How many parameters to change; fewer if fewer have a second value.

        Returns:
            A valid point, different from `point` unless the space has only one.
        """
        movable = [name for name in point if self._domains[name].cardinality != 1]
        if not movable:
            return dict(point)
        chosen = rng.choice(len(movable), size=min(max(n, 1), len(movable)), replace=False)
        changed = dict(point)
        for index in chosen:
            name = movable[int(index)]
            changed[name] = self._domains[name].mutate(point[name], rng)
        return self._filled(changed, rng)

    def crossover(self, a: Mapping[str, Any], b: Mapping[str, Any], rng: np.random.Generator) -> Point:
        """Take each active parameter from `a` or `b` at random, from the one that has it if only one has."""
        mixed: Point = {}
        for name in self.names:
            holders = [parent for parent in (a, b) if name in parent]
            if holders:
                mixed[name] = holders[int(rng.integers(len(holders)))][name]
        return self._filled(mixed, rng)

    def distance(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
        """Return the mean difference over all parameters, in [0, 1]: a metric on the points.

        A parameter adds 1 where it is active in one of the two only or differs in a category, and the difference in the
        unit interval where it is numeric.
        """
        total = 0.0
        for name, domain in self._domains.items():
            if (name in a) != (name in b):
                total += 1.0
            elif name in a and a[name] != b[name]:
                if isinstance(domain, Categorical):
                    total += 1.0
                else:
                    # Values may be so close that they share a unit; they differ all the same.
                    total += max(abs(domain.to_unit(a[name]) - domain.to_unit(b[name])), 1e-12)
        return total / self.dimension

    def neighbours(self, point: Mapping[str, Any]) -> Iterator[Point]:
        """Yield every point that differs in one parameter, each once; numeric ones move by a few steps each way.

        A parameter that the change switches on takes its default, one that it switches off goes.
        """
        seen = {self.key(point)}
        for name in point:
            for value in self._domains[name].neighbours(point[name]):
                neighbour = self._filled({**point, name: value}, None)
                if self.key(neighbour) not in seen:
                    seen.add(self.key(neighbour))
                    yield neighbour

    @cached_property
    def size(self) -> int | None:
        """How many points there are; None if a Float makes it a continuum."""
        if any(parameter.cardinality is None for parameter in self.parameters):
            return None
        return self._count({}, self._order)

    def _count(self, decided: Mapping[str, Any], undecided: Sequence[str]) -> int:
        """Count the points that agree with `decided`.

        Parameters that hang together through conditions are counted by cases of the first; parts that do not hang
        together multiply, so that a tree of conditions costs the sum over its branches and not their product.
        """
        total = 1
        for part in self._connected(decided, undecided):
            head, *rest = part
            if not rest:
                total *= self._domains[head].cardinality or 0
                continue
            cases: dict[tuple[bool, ...], tuple[Any, int]] = {}
            children = [c for name in rest for c in self._conditions[name] if c.parent == head]
            for value in self._domains[head].values():
                case = tuple(value in c.values for c in children)
                cases[case] = (value, cases.get(case, (value, 0))[1] + 1)
            subtotal = 0
            for value, times in cases.values():
                state = {**decided, head: value}
                subtotal += times * self._count(state, self._still_possible(state, rest))
            total *= subtotal
        return total

    def _still_possible(self, decided: Mapping[str, Any], names: Sequence[str]) -> list[str]:
        """Return those of `names` that the decided values have not switched off."""
        possible: list[str] = []
        for name in names:
            conditions = self._conditions[name]
            if all(c.parent in possible or c.holds(decided) for c in conditions):
                possible.append(name)
        return possible

    def _connected(self, decided: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
        """Split `names` into parts that no undecided condition joins, each in order of dependence."""
        parts: list[list[str]] = []
        for name in names:
            parents = {c.parent for c in self._conditions[name] if c.parent not in decided}
            joined = [part for part in parts if parents.intersection(part)]
            parts = [part for part in parts if part not in joined]
            parts.append([*(other for part in joined for other in part), name])
        rank = {name: index for index, name in enumerate(self._order)}
        return [sorted(part, key=rank.__getitem__) for part in parts]

    def points(self) -> Iterator[Point]:
        """Yield every point of a finite space, the last parameters varying fastest.

        Raises:
            UsageError: If the space is a continuum.
        """
        if self.size is None:
            raise UsageError("the points of a space with a Float cannot be listed")
        return self._walk({}, 0)

    def _walk(self, values: Mapping[str, Any], depth: int) -> Iterator[Point]:
        if depth == len(self._order):
            yield {name: values[name] for name in self.names if name in values}
            return
        name = self._order[depth]
        if not all(condition.holds(values) for condition in self._conditions[name]):
            yield from self._walk(values, depth + 1)
            return
        for value in self._domains[name].values():
            yield from self._walk({**values, name: value}, depth + 1)
