"""How the worker writes `result.json`: in one step, as JSON without NaN or infinity."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def write_result(out: Path, result: dict[str, Any]) -> None:
    """Write result.json into the output folder, in the place of an earlier one."""
    part = out / "result.json.part"
    part.write_text(json.dumps(finite(result), allow_nan=False))
    part.replace(out / "result.json")


def finite(value: Any) -> Any:
    """Return JSON data with None in the place of every number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
