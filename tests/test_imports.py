"""The rooms' import rule is real, the public names resolve, and importing the package costs nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

import neuramosaic

ROOT = Path(__file__).parents[1]
ROOMS = ("neuramosaic", "knowledge", "prompts", "sandbox", "agents", "graph", "ui")
# What the sandbox image holds beside the standard library.
SANDBOX_PACKAGES = {"numpy", "safetensors", "torch"}
# The names that docs/design.md promises to programs.
PROMISED = """
    ArchitectureSpace Categorical ComponentSpec Float Integer ParameterSpace Store Task create_sampler
    register_component register_task
""".split()


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the pyproject.toml of `directory` on the packages that lie in it."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A project with the repository's own import contracts, in which every room holds one empty module."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
        (tmp_path / room / "module.py").touch()
    return tmp_path


def test_the_repository_keeps_its_import_contracts() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_that_point_down_are_allowed(skeleton: Path) -> None:
    for above, below in (
        ("ui", "graph"),
        ("graph", "agents"),
        ("agents", "sandbox"),
        ("agents", "knowledge"),
        ("agents", "prompts"),
    ):
        (skeleton / above / "module.py").write_text(f"import {below}.module\nimport neuramosaic.module\n")
    done = lint_imports(skeleton)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("room", "imported"),
    [
        ("neuramosaic", "sandbox.module"),
        ("neuramosaic", "agents.module"),
        ("sandbox", "knowledge.module"),
        ("prompts", "sandbox.module"),
        ("knowledge", "sandbox.module"),
        ("sandbox", "agents.module"),
        ("agents", "graph.module"),
        ("graph", "ui.module"),
        ("neuramosaic", "docker"),
        ("neuramosaic", "langchain_openai"),
        ("agents", "langgraph.graph"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(skeleton: Path, room: str, imported: str) -> None:
    (skeleton / room / "module.py").write_text(f"import {imported}\n")
    done = lint_imports(skeleton)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{room}.module -> {imported.removesuffix('.graph')} (l.1)" in done.stdout


def test_every_room_is_under_the_contracts() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = set(settings["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert set(settings["importlinter"]["root_packages"]) == packages == set(ROOMS)


def test_what_runs_in_the_sandbox_needs_only_what_its_image_holds() -> None:
    graph = grimp.build_graph(*ROOMS, include_external_packages=True, cache_dir=None)
    inside = {module for module in graph.modules if module.startswith("sandbox.worker")}
    assert "sandbox.worker" in inside
    for package in ("neuramosaic.training", "neuramosaic.verify"):
        inside |= {package, *graph.find_descendants(package)}
    reached = inside.union(*(graph.find_upstream_modules(module) for module in inside))
    external = {module.partition(".")[0] for module in reached} - set(ROOMS)
    surplus = external - SANDBOX_PACKAGES - sys.stdlib_module_names
    culprits = {name: sorted(graph.find_modules_that_directly_import(name) & reached) for name in surplus}
    assert not culprits


@pytest.mark.parametrize("name", neuramosaic.__all__)
def test_each_public_name_resolves(name: str) -> None:
    assert getattr(neuramosaic, name) is not None


def test_the_promised_names_are_public() -> None:
    assert set(PROMISED) <= set(neuramosaic.__all__)
    assert len(neuramosaic.__all__) == len(set(neuramosaic.__all__))
    assert set(neuramosaic.__all__) <= set(dir(neuramosaic))


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Archtecture'"):
        _ = neuramosaic.Archtecture


def test_importing_the_package_loads_nothing_but_the_standard_library() -> None:
    program = "import sys; before = set(sys.modules); import neuramosaic; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    roots = {module.partition(".")[0] for module in done.stdout.split()}
    assert roots - sys.stdlib_module_names == {"neuramosaic"}
