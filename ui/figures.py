"""Figures as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def count(value: float) -> str:
    """Return a count in three digits and a unit: 301k, 1.31M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            scaled = value / size
            digits = max(0, 2 - int(math.log10(scaled))) if scaled >= 1 else 2
            text = f"{scaled:.{digits}f}"
            whole, _, decimals = text.partition(".")
            return (text if decimals.strip("0") else whole) + unit
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """Return a duration: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def size(number: int) -> str:
    """Return a number of bytes: 512 bytes, 1.2 MiB."""
    value = float(number)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def moment(time: str | None) -> str:
    """Return a stored UTC time as local date and time, to the second; "-" if there is none."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else "-"


def clock(time: str) -> str:
    """Return a stored UTC time as local time of day."""
    return datetime.fromisoformat(time).astimezone().strftime("%H:%M:%S")


def seconds_since(time: str) -> float:
    """Return the seconds since a stored UTC time."""
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()
