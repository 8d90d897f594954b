from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest

from neuramosaic.errors import InvalidValueError
from sandbox import image
from sandbox.image import host
from sandbox.runtime import Distribution, interpreter, required_distributions, stage_code, standard_library


def test_what_the_worker_needs_is_found_once_each_without_extras() -> None:
    found = {item.name.lower().replace("_", "-"): item for item in required_distributions()}
    assert {"torch", "numpy", "safetensors", "typing-extensions", "sympy", "mpmath", "jinja2"} <= found.keys()
    assert not {"pytest", "streamlit", "hypothesis", "docker"} & found.keys()
    assert any(entry.name == "torch" for entry in found["torch"].entries)


def test_the_tag_is_a_hash_of_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = image.image_tag("registry")
    assert tag.startswith("neuramosaic-sandbox:")
    assert image.image_tag("registry") == tag
    assert image.image_tag("registry", "python:3.12-slim") != tag
    monkeypatch.setattr(image, "required_distributions", lambda: (Distribution("torch", "1", ()),))
    other = image.image_tag("registry")
    assert other != tag
    monkeypatch.setattr(image, "RECIPE", image.RECIPE + 1)
    assert image.image_tag("registry") not in (tag, other)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="one of auto, host, registry"):
        image.image_tag("hub")


def test_the_staged_code_is_what_the_worker_needs_and_compiled(tmp_path: Path) -> None:
    code = stage_code(tmp_path / "code")
    assert (code / "sandbox" / "worker.py").exists()
    assert (code / "neuramosaic" / "errors.py").exists()
    assert not (code / "sandbox" / "docker.py").exists()
    cached = code / "sandbox" / "__pycache__" / f"worker.{sys.implementation.cache_tag}.pyc"
    assert cached.read_bytes()[4:8] == b"\x01\x00\x00\x00", "bytecode that is never checked against its source"
    assert all(path.stat().st_mode & 0o004 for path in code.rglob("*"))


@pytest.mark.skipif(sys.platform != "linux", reason="an image is made of the host's programs on Linux only")
def test_the_root_holds_interpreter_libraries_and_valid_bytecode_and_no_link_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "tiny"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    (package / "broken.py").write_text("def (:\n")
    (package / "include").mkdir()
    (package / "include" / "tiny.h").write_text("")
    monkeypatch.setattr(host, "required_distributions", lambda: (Distribution("tiny", "1", (package,)),))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|") as tar:
        host.RootWriter(tar).write()
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        members = {member.name: member for member in tar}
        site = "opt/neuramosaic/site-packages/tiny"
        assert members[str(interpreter()).lstrip("/")].mode == 0o755
        assert members["opt/neuramosaic/bin/python3"].linkname == str(interpreter())
        assert f"{standard_library()}/json/__init__.py".lstrip("/") in members
        assert f"{standard_library()}/test/__init__.py".lstrip("/") not in members
        pyc = tar.extractfile(f"{site}/__pycache__/__init__.{sys.implementation.cache_tag}.pyc")
        assert pyc is not None
        assert pyc.read()[4:8] == b"\x01\x00\x00\x00"
    assert any("libc.so" in name or "ld-musl" in name for name in members)
    assert f"{site}/broken.py" in members
    assert f"{site}/include/tiny.h" not in members
    assert members["tmp"].mode == 0o1777
    assert all((member.uid, member.gid) == (0, 0) for member in members.values())
    assert all(member.isdir() or member.isreg() or member.issym() for member in members.values())
    names = list(members)
    assert len(names) == len(set(names))
