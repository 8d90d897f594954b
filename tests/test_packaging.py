"""The wheel holds the packages and nothing else, and works from another folder in an environment that held nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import neuramosaic

ROOT = Path(__file__).parents[1]


def source_files() -> list[str]:
    """Return the repository's own files: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def run(*command: str | Path, cwd: Path, timeout_s: float = 120) -> str:
    """Run a program as if outside the repository and return its stdout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the source."""
    source = tmp_path_factory.mktemp("source")
    for name in source_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source, cwd=source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
    packages = set(settings["build"]["targets"]["wheel"]["packages"])
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    metadata = f"neuramosaic-{neuramosaic.__version__}.dist-info/"
    held = {name for name in names if not name.startswith(metadata)}

    assert held == {name for name in source_files() if name.split("/")[0] in packages}
    assert "neuramosaic/py.typed" in held
    assert f"{metadata}licenses/LICENSE" in names
    assert f"{metadata}entry_points.txt" in names


@pytest.mark.slow
def test_the_wheel_installed_in_an_empty_environment_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    environment, elsewhere = tmp_path / "environment", tmp_path / "else where"
    elsewhere.mkdir()
    venv.create(environment, with_pip=True)
    python, program = environment / "bin" / "python", environment / "bin" / "neuramosaic"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-compile")
    run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=elsewhere, timeout_s=900)

    located = run(python, "-c", "import neuramosaic; print(neuramosaic.__file__)", cwd=elsewhere)
    assert Path(located.strip()).is_relative_to(environment)
    assert "Usage" in run(program, "--help", cwd=elsewhere)
    tasks = json.loads(run(program, "task", "list", "--json", cwd=elsewhere))
    assert "python-code" in json.dumps(tasks)
    run(python, "-m", "pip", "check", cwd=elsewhere)
