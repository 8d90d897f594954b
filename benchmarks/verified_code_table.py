"""The tables of `verified_code.py`: card by card, check by check, and the rates with their intervals."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Z = 1.959964  # 95 %
ARMS = ("direct", "ours")
GRADES = ("easy", "medium", "hard")
_NONE = "-"

Result = Mapping[str, Any]
"""`card`, `slot`, `grade`, `arm`, the fields of an `Outcome`, and `speed`: see `verified_code.py`."""


def wilson(passed: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a rate, `total` >= 1."""
    rate = passed / total
    centre = (rate + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * math.sqrt(rate * (1 - rate) / total + Z**2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def report(results: Sequence[Result]) -> str:
    """Return all tables of what is finished, as text."""
    arms = [arm for arm in ARMS if any(result["arm"] == arm for result in results)]
    parts = [_by_card(results, arms), _by_check(results, arms), _rates(results, arms), _speeds(results, arms)]
    return "\n\n".join(parts)


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Return the figures of each arm as plain JSON."""
    found: dict[str, Any] = {}
    for arm in ARMS:
        chosen = [result for result in results if result["arm"] == arm]
        if not chosen:
            continue
        passed = sum(result["verified"] for result in chosen)
        found[arm] = {
            "cards": len(chosen),
            "verified": passed,
            "rate": passed / len(chosen),
            "interval": list(wilson(passed, len(chosen))),
            "first_candidate": sum(_at_once(result) for result in chosen),
            "median_seconds": statistics.median(result["seconds"] for result in chosen),
            "failed_checks": dict(_failed_checks(chosen)),
            "speed": speed(chosen),
        }
    return found


def speed(results: Sequence[Result]) -> dict[str, float] | None:
    """Return the sums of what the server counted, and the speeds in tokens per second; None if it counted nothing."""
    counted = [result["speed"] for result in results if result["speed"]]
    if not counted:
        return None
    total = {name: sum(each[name] for each in counted) for name in counted[0]}
    return {
        **total,
        "prompt_tokens_per_second": _ratio(total["prompt_tokens"], total["prompt_seconds"]),
        "answer_tokens_per_second": _ratio(total["answer_tokens"], total["answer_seconds"]),
        "cached_share": _ratio(total["cached_tokens"], total["cached_tokens"] + total["prompt_tokens"]),
    }


def _by_card(results: Sequence[Result], arms: Sequence[str]) -> str:
    cells = {"direct": ("attempts", "tokens", "seconds"), "ours": ("depth", "attempts", "tokens", "seconds")}
    head = ["card", "slot", "grade"]
    for arm in arms:
        head += [arm, *cells[arm]]
    found = {(result["card"], result["arm"]): result for result in results}
    cards = list(dict.fromkeys((result["card"], result["slot"], result["grade"]) for result in results))
    cards.sort(key=lambda card: (GRADES.index(card[2]), card[1], card[0]))
    rows = []
    for card in cards:
        row = list(card)
        for arm in arms:
            result = found.get((card[0], arm))
            if result is None:
                row += [_NONE] * (1 + len(cells[arm]))
            else:
                row += ["verified" if result["verified"] else "no", *(_cell(result[name]) for name in cells[arm])]
        rows.append(row)
    return _table(head, rows)


def _by_check(results: Sequence[Result], arms: Sequence[str]) -> str:
    counts = {arm: _failed_checks(result for result in results if result["arm"] == arm) for arm in arms}
    checks = sorted({check for count in counts.values() for check in count}, key=lambda check: -_most(counts, check))
    rows = [[check, *(str(counts[arm][check]) for arm in arms)] for check in checks]
    sums = ["candidates that failed", *(str(sum(counts[arm].values())) for arm in arms)]
    return _table(["failed check", *arms], [*rows, sums])


def _rates(results: Sequence[Result], arms: Sequence[str]) -> str:
    rows = []
    for arm in arms:
        chosen = [result for result in results if result["arm"] == arm]
        for label, members in (
            ("all", chosen),
            *((grade, [result for result in chosen if result["grade"] == grade]) for grade in GRADES),
        ):
            if members:
                seconds = statistics.median(result["seconds"] for result in members)
                passed = sum(result["verified"] for result in members)
                at_once = sum(_at_once(result) for result in members)
                rows.append([arm, label, _rate(passed, len(members)), _rate(at_once, len(members)), f"{seconds:.0f}"])
    return _table(["arm", "cards", "verified (95 %)", "by the first candidate (95 %)", "median s a card"], rows)


def _speeds(results: Sequence[Result], arms: Sequence[str]) -> str:
    rows = []
    for arm in arms:
        found = speed([result for result in results if result["arm"] == arm])
        if found is None:
            rows.append([arm, *[_NONE] * 3])
        else:
            per_second = (found["prompt_tokens_per_second"], found["answer_tokens_per_second"])
            rows.append([arm, *(f"{value:.1f}" for value in per_second), f"{100 * found['cached_share']:.0f} %"])
    return _table(["arm", "prompt tokens/s", "answer tokens/s", "prompt from cache"], rows)


def _rate(passed: int, total: int) -> str:
    low, high = wilson(passed, total)
    return f"{passed}/{total} = {100 * passed / total:.0f} % ({100 * low:.0f}-{100 * high:.0f})"


def _failed_checks(results: Iterator[Result] | Sequence[Result]) -> Counter[str]:
    return Counter(failure["check"] for result in results for failure in result["failures"])


def _most(counts: Mapping[str, Counter[str]], check: str) -> int:
    return max(count[check] for count in counts.values())


def _at_once(result: Result) -> bool:
    return bool(result["verified"]) and result["attempts"] == 1


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _cell(value: Any) -> str:
    if value is None:
        return _NONE
    return f"{value:.0f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join(line.rstrip() for line in lines)
