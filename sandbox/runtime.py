"""What a worker needs to run, found on the host: interpreter, packages, and this project's own code.

The same installed files serve every backend (bound into bubblewrap, packed into the Docker image), at the same places,
so that a trial gives the same numbers wherever it runs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

JOB = "/job"
CODE = "/opt/neuramosaic/code"
SITE = "/opt/neuramosaic/site-packages"
SANDBOX_UID = 65534

ROOT_PACKAGES = ("torch", "numpy", "safetensors")
_OWN_SANDBOX_FILES = ("__init__.py", "base.py", "confine.py", "worker*.py")


@dataclass(frozen=True)
class Distribution:
    """An installed package.

    Attributes:
        name: As its metadata says.
        version: Installed version.
        entries: Its top-level files and folders in site-packages.
    """

    name: str
    version: str
    entries: tuple[Path, ...]


def required_distributions(roots: tuple[str, ...] = ROOT_PACKAGES) -> tuple[Distribution, ...]:
    """Return the installed distributions that `roots` need, themselves first, each once.

    Extras are left out, and so is what is not installed: its environment marker did not apply.
    """
    found: dict[str, Distribution] = {}
    wanted = list(roots)
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop(0)).lower()
        if name in found:
            continue
        try:
            meta = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = Distribution(meta.metadata["Name"], meta.version, _entries(meta))
        for requirement in meta.requires or ():
            marker = requirement.partition(";")[2]
            if "extra" not in marker:
                wanted.append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
    return tuple(found.values())


def _entries(meta: importlib.metadata.Distribution) -> tuple[Path, ...]:
    tops = {file.parts[0] for file in meta.files or ()} - {"..", "__pycache__", "bin"}
    folder = Path(str(meta.locate_file("")))
    return tuple(sorted(folder / top for top in tops if (folder / top).exists()))


def interpreter() -> Path:
    """Return the real path of the running Python program, outside any virtual environment."""
    return Path(os.path.realpath(sys.executable))


def standard_library() -> Path:
    """Return the folder of the standard library."""
    return Path(sysconfig.get_path("stdlib"))


def cache_bytecode() -> None:
    """Have the host write the bytecode of what the worker imports, if an installer left that to the first import.

    A worker whose packages are read-only never could, and would compile PyTorch for itself each time.
    """
    spec = importlib.util.find_spec("torch")
    if spec is not None and spec.origin and not os.path.exists(importlib.util.cache_from_source(spec.origin)):
        program = "import sandbox.worker; sandbox.worker.warm_up()"
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)


def stage_code(target: Path) -> Path:
    """Copy what the worker imports of this project, compiled.

    A copy, so that editing the project during a study changes no running trial, and so that nothing else of it is seen
    inside. Its bytecode never looks at the source again, so it stays valid wherever it is mounted.

    Args:
        target: Folder to make.

    Returns:
        `target`, holding `neuramosaic/` and `sandbox/`.
    """
    import neuramosaic
    import sandbox

    core, own = (Path(package.__path__[0]) for package in (neuramosaic, sandbox))
    files = {Path("neuramosaic") / path.relative_to(core): path for path in core.rglob("*.py")}
    files |= {Path("sandbox") / path.name: path for pattern in _OWN_SANDBOX_FILES for path in own.glob(pattern)}
    for relative, source in files.items():
        copy = target / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        py_compile.compile(
            str(copy),
            dfile=f"{CODE}/{relative}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def worker_environment(threads: int, *, job: str, python_path: str, home: str) -> dict[str, str]:
    """Return the whole environment of a worker: nothing of the host's is inherited.

    Args:
        threads: Of numerical libraries.
        job: Folder with in/, data/, out/.
        python_path: Where `sandbox.worker`, and torch if it is not the interpreter's own, are found.
        home: A writable folder.
    """
    return {
        "PATH": "/opt/neuramosaic/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": home,
        "TMPDIR": home,
        "USER": "nobody",
        "LOGNAME": "nobody",
        "NEURAMOSAIC_JOB": job,
        "PYTHONPATH": python_path,
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
