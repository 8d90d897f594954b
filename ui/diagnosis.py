"""What `doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from neuramosaic.errors import NeuraMosaicError
from neuramosaic.store.store import FILE_NAME, Store
from ui.figures import size

LIBRARIES = ("torch", "numpy", "botorch", "langgraph", "sqlite-utils", "docker", "streamlit", "chromadb", "plotly")
LEAST_FREE_BYTES = 2 << 30
LEAST_MEMORY_BYTES = 3 << 30
SANDBOX = "sandbox "


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: What it is.
        status: "ok"; "missing": it is not there, or does not work; "note": it works, with a reservation.
        detail: What was found.
        remedy: What to do about it; empty if nothing.
        needed: Whether no study can run without it.
    """

    name: str
    status: Literal["ok", "missing", "note"]
    detail: str
    remedy: str = ""
    needed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def can_run(findings: list[Finding]) -> bool:
    """Whether a study can run: nothing needed is missing, and there is a backend, be it one that confines nothing."""
    needed = all(finding.status != "missing" for finding in findings if finding.needed)
    sandboxes = [finding for finding in findings if finding.name.startswith(SANDBOX)]
    return needed and any(finding.status != "missing" for finding in sandboxes)


def examine(workspace: Path) -> list[Finding]:
    """Look at the machine, at what is installed, at every sandbox, at the language models and at the workspace."""
    return [
        *_machine(workspace),
        *_libraries(),
        _git(),
        _device(),
        *_sandboxes(),
        _openai(),
        _local_model(),
        *_reading(),
        _workspace(workspace),
    ]


def _machine(workspace: Path) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("processors", "ok", f"{usable} usable, {platform.machine()}, {platform.system()}")
    memory = psutil.virtual_memory()
    detail = f"{size(memory.total)}, {size(memory.available)} available"
    short = memory.available < LEAST_MEMORY_BYTES
    remedy = "a trial may use up to 3 GiB: run with --workers 1" if short else ""
    yield Finding("memory", "note" if short else "ok", detail, remedy)
    place = next(path for path in (workspace.absolute(), *workspace.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    short = free < LEAST_FREE_BYTES
    remedy = "a long study may need more: free some space, or name another --workspace" if short else ""
    yield Finding("disk", "note" if short else "ok", f"{size(free)} free at {place}", remedy)


def _libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            yield Finding(name, "ok", importlib.metadata.version(name), needed=True)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "missing", "not installed", f"pip install {name}, or run 'make run'", needed=True)


def _git() -> Finding:
    remedy = "install git: generated code is kept in it (Debian: apt-get install git)"
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("git", "missing", str(error), remedy, needed=True)
    return Finding("git", "ok", done.stdout.strip().removeprefix("git version "), needed=True)


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", "ok", f"cuda: {torch.cuda.get_device_name(0)}")
    return Finding("device", "ok", f"cpu, {torch.get_num_threads()} threads (no CUDA device)")


def _sandboxes() -> Iterator[Finding]:
    from sandbox.registry import available

    for found in available():
        if found.name == "process":
            yield Finding(SANDBOX + found.name, "note", found.detail)
        else:
            yield Finding(SANDBOX + found.name, "ok" if found.ok else "missing", found.detail)
        if found.name == "docker" and found.ok:
            yield _image()


def _image() -> Finding:
    from sandbox.docker import connect
    from sandbox.image import find_image, image_tag

    client = connect(timeout_s=10)
    try:
        image = find_image(client, image_tag())
    finally:
        client.close()
    if image is None:
        return Finding(
            "docker image", "note", "not built yet", "the first study builds it, or 'neuramosaic sandbox build'"
        )
    return Finding("docker image", "ok", f"{image.tag}, {size(image.bytes)}")


def _openai() -> Finding:
    from agents.llm.keys import KEY_VARIABLE, api_key
    from agents.llm.openai import OPENAI_URL, URL_VARIABLE, configured_url

    keyed, elsewhere = api_key() is not None, configured_url() != OPENAI_URL
    detail = f"{KEY_VARIABLE} is {'set' if keyed else 'not set'}, {URL_VARIABLE} is {'set' if elsewhere else 'not set'}"
    if keyed or elsewhere:
        return Finding("llm openai", "ok", detail, "'neuramosaic llm test' says whether it works")
    return Finding("llm openai", "note", detail, f"only a language model of OpenAI needs it: set {KEY_VARIABLE}")


def _local_model() -> Finding:
    from agents.llm.weights import PARTS, installed_parts

    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            "llm local", "note", "xllamacpp is not installed", "only a local model needs it: the extra 'local-llm'"
        )
    return Finding("llm local", "ok", f"xllamacpp {version}, {len(installed_parts())} of {PARTS} parts of the model")


def _reading() -> Iterator[Finding]:
    """What papers are read with: the reader of PDF files, and the model that makes passages comparable."""
    from graph.bookshelf import embedder_problem

    try:
        yield Finding("papers pymupdf", "ok", importlib.metadata.version("pymupdf"))
    except importlib.metadata.PackageNotFoundError:
        yield Finding("papers pymupdf", "note", "not installed", "only 'ingest' needs it: pip install pymupdf")
    problem = embedder_problem()
    if problem is None:
        yield Finding("papers embedder", "ok", "all-MiniLM-L6-v2 of 8 bits, on the CPU; needs no network")
    else:
        yield Finding("papers embedder", "note", problem, "only 'ingest' and 'papers' need it")


def _workspace(workspace: Path) -> Finding:
    if not (workspace / FILE_NAME).exists():
        return Finding("workspace", "ok", f"{workspace} is made by the first 'neuramosaic run'")
    try:
        with Store.open(workspace, create=False) as store:
            studies = store.studies()
    except NeuraMosaicError as error:
        return Finding("workspace", "missing", str(error), "name another one with --workspace", needed=True)
    used = sum(file.stat().st_size for file in workspace.rglob("*") if file.is_file() and not file.is_symlink())
    return Finding("workspace", "ok", f"{workspace}: {len(studies)} studies, {size(used)}")
