from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from neuramosaic.errors import InvalidValueError, SandboxError
from sandbox.base import Job
from sandbox.workdir import InputDirectory, Owner, Scratch, require_readable


def test_an_owner_is_found_gone_once_its_process_is() -> None:
    me = Owner.current()
    assert Owner.parse(str(me)) == me
    assert not me.gone
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(me.host, child.pid, int(psutil.Process(child.pid).create_time() * 1000))
    assert not owner.gone
    assert Owner(me.host, child.pid, owner.born_ms - 60_000).gone, "a later process with the same number is another"
    child.communicate(b"\n")
    assert owner.gone
    assert not Owner("another-machine", owner.pid, owner.born_ms).gone, "of other machines nothing is known"


@pytest.mark.parametrize("text", ["", "x", "host@1", "host@a-b", "@1-2"])
def test_other_names_are_no_owners(text: str) -> None:
    assert Owner.parse(text) is None


def test_scratch_of_a_dead_process_is_removed_and_of_a_living_one_kept(tmp_path: Path) -> None:
    me = Owner.current()
    dead = tmp_path / f"sandbox-process-{Owner(me.host, 2**22 - 1, 1)}-abc"
    foreign = tmp_path / "sandbox-process-notes"
    for folder in (dead, foreign):
        folder.mkdir()
    first, second = Scratch(tmp_path, "process"), Scratch(tmp_path, "process")
    assert not dead.exists()
    assert foreign.exists()
    assert first.path.exists()
    second.remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.path.name, foreign.name])


def test_ready_is_written_last_and_the_request_is_strict_json(tmp_path: Path) -> None:
    inputs = InputDirectory(tmp_path / "job" / "in")
    inputs.hand_over(Job("a", {"kind": "script", "seed": 1}, {"script.py": b"pass"}))
    assert json.loads((inputs.path / "job.json").read_text()) == {"kind": "script", "seed": 1}
    assert {path.name for path in inputs.path.iterdir()} == {"job.json", "script.py", "ready"}
    stamps = {path.name: path.stat().st_mtime_ns for path in inputs.path.iterdir()}
    assert stamps["ready"] == max(stamps.values())


@pytest.mark.parametrize("name", ["../x", "a/b", "", "job.json", "ready", ".hidden", "x" * 200])
def test_file_names_are_plain(tmp_path: Path, name: str) -> None:
    inputs = InputDirectory(tmp_path / "job" / "in")
    with pytest.raises(InvalidValueError, match=r"job\.files"):
        inputs.hand_over(Job("a", {}, {name: b""}))
    assert not (inputs.path / "ready").exists()


@pytest.mark.parametrize("request_", [{"x": float("nan")}, {"x": object()}])
def test_a_request_that_is_no_json_is_refused(tmp_path: Path, request_: dict[str, object]) -> None:
    inputs = InputDirectory(tmp_path / "job" / "in")
    with pytest.raises(InvalidValueError, match=r"job\.request"):
        inputs.hand_over(Job("a", request_))
    assert not (inputs.path / "ready").exists()


def test_unreadable_data_is_named_with_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "train.bin"
    file.write_bytes(b"x")
    file.chmod(0o644)
    require_readable(tmp_path)
    file.chmod(0o600)
    with pytest.raises(SandboxError, match=r"train\.bin: run `chmod -R o\+rX"):
        require_readable(tmp_path)


def test_the_default_scratch_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    scratch = Scratch(None, "process")
    assert scratch.path.parent == tmp_path / f"neuramosaic-{os.getuid()}"
    assert scratch.path.parent.stat().st_mode & 0o777 == 0o700
