"""Which code made a number."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from neuramosaic import __version__

#: What turns a model and its data into a loss; the model itself has a commit of its own.
_PARTS = ("seeds.py", "tasks", "training", "verify")


@cache
def code_version() -> str:
    """Return `VERSION+HASH`: the release, and the hash of the sources that train, verify and evaluate."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for part in _PARTS:
        for path in sorted([root / part] if part.endswith(".py") else (root / part).rglob("*.py")):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return f"{__version__}+{digest.hexdigest()[:12]}"
