"""How many parameters a component has, as a rule found by measuring it: its code need not run to be counted.

A component's matrices have sides that are linear in the model dimension D, up to rounding to a multiple (of the number
of heads, say). So its count is a quadratic in D on each class of D modulo some period. The sandbox counts at every
width of a run and at some far ones; the smallest period whose quadratics explain all of them exactly is the rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from neuramosaic.canonical import canonical_json
from neuramosaic.errors import NeuraMosaicError, UsageError
from neuramosaic.space.domains import Float, Parameter

#: The least width of a rule.
LOW = 16
_RUN = 200
#: Widths at which a component is counted: a run of neighbours that the rule is found from, and far ones to check it at.
WIDTHS = (*range(LOW, LOW + _RUN), 255, 256, 257, 384, 511, 512, 777, 1000, 1023, 1024)
#: Two thirds of an expansion, rounded to a multiple of 8, have the period 24.
PERIODS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
#: Settings of its hyper-parameters that a component may have at most; each is counted.
MOST_SETTINGS = 256

Quadratic = tuple[int, int, int]
"""Count, its first difference and its second difference at the first width of a class, over steps of one period."""


class NoRuleError(NeuraMosaicError):
    """The counts follow no rule of this form, or could not be taken. Says what to change."""


@dataclass(frozen=True)
class ParameterRule:
    """The number of parameters for every width from 16 on and every setting.

    Attributes:
        names: The hyper-parameters that settings are listed by; the others (real numbers) change nothing.
        settings: Values of `names`, one tuple per setting.
        quadratics: For each setting the quadratics of its classes; their number is the period.
    """

    names: tuple[str, ...]
    settings: tuple[tuple[Any, ...], ...]
    quadratics: tuple[tuple[Quadratic, ...], ...]

    def count(self, width: int, hyperparameters: Mapping[str, Any]) -> int:
        """Return the number of parameters.

        Raises:
            UsageError: If the width or the setting was not measured.
        """
        if width < LOW:
            raise UsageError(f"width {width}: the component was counted from width {LOW} on")
        key = canonical_json([hyperparameters[name] for name in self.names])
        if key not in self._rows:
            raise UsageError(f"the component was not counted with {dict(hyperparameters)}")
        return _evaluate(self._rows[key], width)

    @cached_property
    def _rows(self) -> dict[str, tuple[Quadratic, ...]]:
        keys = (canonical_json(list(values)) for values in self.settings)
        return dict(zip(keys, self.quadratics, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON; equal quadratics once."""
        different = list(dict.fromkeys(self.quadratics))
        return {
            "names": list(self.names),
            "settings": [
                [list(values), different.index(rows)]
                for values, rows in zip(self.settings, self.quadratics, strict=True)
            ],
            "quadratics": [[list(row) for row in rows] for rows in different],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ParameterRule:
        """Read what `to_json` wrote."""
        different = [tuple((a, b, c) for a, b, c in rows) for rows in data["quadratics"]]
        return cls(
            names=tuple(data["names"]),
            settings=tuple(tuple(values) for values, _ in data["settings"]),
            quadratics=tuple(different[index] for _, index in data["settings"]),
        )


def settings_to_count(domains: Sequence[Parameter]) -> list[dict[str, Any]]:
    """Return the settings at which a component must be counted, those that a real number should not change at the end.

    Raises:
        NoRuleError: If there are too many.
    """
    listed = [domain for domain in domains if not isinstance(domain, Float)]
    total = 1
    for domain in listed:
        total *= domain.cardinality or 1
    if total > MOST_SETTINGS:
        raise NoRuleError(
            f"its hyper-parameters have {total} settings, at most {MOST_SETTINGS} are counted; give them fewer values"
        )
    defaults = {domain.name: domain.default for domain in domains}
    names = [domain.name for domain in listed]
    every = [
        {**defaults, **dict(zip(names, values, strict=True))}
        for values in itertools.product(*(domain.values() for domain in listed))
    ]
    ends = [
        {**defaults, domain.name: end}
        for domain in domains
        if isinstance(domain, Float)
        for end in (domain.low, domain.high)
    ]
    return every + ends


def find_rule(
    domains: Sequence[Parameter], settings: Sequence[Mapping[str, Any]], counts: Sequence[Sequence[int]]
) -> ParameterRule:
    """Return the rule that explains every count.

    Args:
        domains: The hyper-parameters.
        settings: What `settings_to_count` returned.
        counts: For each setting the number of parameters at each of `WIDTHS`.

    Raises:
        NoRuleError: If there is none, or a real number changes the count.
    """
    if len(counts) != len(settings) or any(len(row) != len(WIDTHS) for row in counts):
        raise NoRuleError("it was not counted at every width and setting")
    names = tuple(domain.name for domain in domains if not isinstance(domain, Float))
    found: dict[str, tuple[tuple[Any, ...], tuple[Quadratic, ...]]] = {}
    for setting, row in zip(settings, counts, strict=True):
        values = tuple(setting[name] for name in names)
        quadratics = _fit(row, setting)
        first = found.setdefault(canonical_json(list(values)), (values, quadratics))
        if first[1] != quadratics:
            raise NoRuleError(
                f"its number of parameters changes with a real number, as in {dict(setting)}; "
                "make that hyper-parameter an integer or a category"
            )
    return ParameterRule(names, tuple(item[0] for item in found.values()), tuple(item[1] for item in found.values()))


def _fit(row: Sequence[int], setting: Mapping[str, Any]) -> tuple[Quadratic, ...]:
    for period in PERIODS:
        rows = tuple(
            (row[i], row[i + period] - row[i], row[i + 2 * period] - 2 * row[i + period] + row[i])
            for i in range(period)
        )
        if all(_evaluate(rows, width) == count for width, count in zip(WIDTHS, row, strict=True)):
            return rows
    raise NoRuleError(
        f"with {dict(setting)} its number of parameters is no quadratic in D, not even on each class of D modulo "
        f"{PERIODS[-1]}; make the sides of its matrices linear in D, rounded to multiples of a power of two"
    )


def _evaluate(rows: Sequence[Quadratic], width: int) -> int:
    count, first, second = rows[(width - LOW) % len(rows)]
    steps = (width - LOW) // len(rows)
    # Newton's forward differences: whole numbers only.
    return count + steps * first + steps * (steps - 1) // 2 * second
