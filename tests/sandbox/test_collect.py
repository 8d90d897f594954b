from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from neuramosaic.errors import SandboxError
from sandbox.base import Limits
from sandbox.collect import FileStore, OutputDirectory, Usage, plain_path

LIMITS = Limits(output_mib=1, output_files=5)


def opened(folder: Path) -> OutputDirectory:
    return OutputDirectory(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), own_file_system=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_links_pipes_and_what_is_too_large_stay_behind(out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host")
    (out / "good").write_text("good")
    (out / "link").symlink_to(secret)
    (out / "folder-link").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(out / "pipe")
    with (out / "sparse").open("wb") as file:
        file.truncate(2**40)
    output = opened(out)
    try:
        assert output.collect(tmp_path / "kept", LIMITS) == {"good": 4}
        assert output.read("link", 0, 10) == output.read("pipe", 0, 10) == output.read("absent", 0, 10) == b""
        assert output.read("good", 1, 2) == b"oo"
    finally:
        output.close()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["good"]


def test_the_copy_never_holds_more_than_the_limits(out: Path, tmp_path: Path) -> None:
    for number in range(9):
        (out / f"f{number}").write_bytes(bytes(300_000))
    output = opened(out)
    try:
        kept = output.collect(tmp_path / "kept", LIMITS)
        assert output.usage().files == 9
        assert "more than 1 MiB" in output.usage().exceeds(LIMITS)
    finally:
        output.close()
    assert sum(kept.values()) <= 2**20
    assert len(kept) == 3


def test_a_file_of_an_earlier_attempt_is_replaced_and_never_written_through(out: Path, tmp_path: Path) -> None:
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    kept.mkdir()
    elsewhere.write_text("untouched")
    (kept / "result.json").symlink_to(elsewhere)
    (out / "result.json").write_text("new")
    output = opened(out)
    try:
        output.collect(kept, LIMITS)
    finally:
        output.close()
    assert (kept / "result.json").read_text() == "new"
    assert not (kept / "result.json").is_symlink()
    assert elsewhere.read_text() == "untouched"


def test_what_an_earlier_attempt_left_is_gone_and_what_its_links_lead_to_is_not(out: Path, tmp_path: Path) -> None:
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("untouched")
    (kept / "a" / "deep").mkdir(parents=True)
    (kept / "a" / "deep" / "old").write_text("old")
    (kept / "a" / "link").symlink_to(elsewhere, target_is_directory=True)
    (kept / "b").write_text("a file, then a folder")
    (kept / "link").symlink_to(elsewhere, target_is_directory=True)
    (out / "a").write_text("now a file")
    (out / "b").mkdir()
    (out / "b" / "inner").write_text("new")
    output = opened(out)
    try:
        assert output.collect(kept, LIMITS) == {"a": 10, "b/inner": 3}
    finally:
        output.close()
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*")) == ["a", "b", "b/inner"]
    assert (elsewhere / "mine").read_text() == "untouched"


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("untouched")
    (tmp_path / "kept").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(SandboxError, match="kept is not a folder"):
        FileStore(tmp_path / "kept", LIMITS)
    assert (elsewhere / "mine").read_text() == "untouched"


def test_names_that_are_one_on_the_host_are_kept_once(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "kept", LIMITS)
    for name in ("a", "a", "a/b", "a/b/c"):
        store.add(name, 1, io.BytesIO(b"x"))
    assert store.files == {"a": 1}


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../b", "/a", "a//b", "a\nb", "a\x1b[2J", "x" * 300, "/".join("d" * 9), "\udcff"]
)
def test_odd_names_are_refused(name: str, tmp_path: Path) -> None:
    assert not plain_path(name)
    store = FileStore(tmp_path / "kept", LIMITS)
    store.add(name, 1, io.BytesIO(b"x"))
    assert store.files == {}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_usage_says_which_limit_was_passed() -> None:
    assert Usage(2**20, 5).exceeds(LIMITS) == ""
    assert Usage(2**20 + 1, 0).exceeds(LIMITS) == "output limit: more than 1 MiB in the output folder"
    assert Usage(0, 6).exceeds(LIMITS) == "output limit: more than 5 files in the output folder"


class Keeper:
    """A container that answers with a prepared archive."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive

    def get_archive(self, path: str) -> tuple[object, dict[str, object]]:
        return iter([self.archive[i : i + 1000] for i in range(0, len(self.archive), 1000)]), {"name": path}


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, to
    return info


def test_the_engines_archive_is_read_as_strictly(tmp_path: Path) -> None:
    docker_volume = pytest.importorskip("sandbox.docker_volume")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(member("out", tarfile.DIRTYPE))
        tar.addfile(member("out/good", size=4), io.BytesIO(b"good"))
        tar.addfile(member("out/link", tarfile.SYMTYPE, to="/etc/passwd"))
        tar.addfile(member("out/hard", tarfile.LNKTYPE, to="/etc/passwd"))
        tar.addfile(member("out/pipe", tarfile.FIFOTYPE))
        tar.addfile(member("out/device", tarfile.CHRTYPE))
        tar.addfile(member("out/../../escaped", size=3), io.BytesIO(b"bad"))
        tar.addfile(member("out/huge", size=3 * 2**20), io.BytesIO(bytes(3 * 2**20)))
    output = docker_volume.VolumeOutput(Keeper(buffer.getvalue()), None)
    assert output.collect(tmp_path / "kept", LIMITS) == {"good": 4}
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["good"]
    assert output.usage().exceeds(LIMITS)
