from __future__ import annotations

from pathlib import Path

import pytest

from neuramosaic.errors import DataError, InvalidValueError, SandboxUnavailableError, UnknownNameError
from sandbox import registry
from sandbox.base import SandboxConfig
from sandbox.registry import Availability, available, create_sandbox
from sandbox.script import run_script

YES = {"docker": Availability("docker", True, "engine"), "bubblewrap": Availability("bubblewrap", True, "here")}
NO = {name: Availability(name, False, f"no {name}. Install it.") for name in YES}


def offer(monkeypatch: pytest.MonkeyPatch, docker: bool, bubblewrap: bool) -> None:
    monkeypatch.setattr(registry, "_docker", lambda: (YES if docker else NO)["docker"])
    monkeypatch.setattr(registry, "_bubblewrap", lambda: (YES if bubblewrap else NO)["bubblewrap"])


@pytest.mark.parametrize(
    ("docker", "bubblewrap", "chosen"),
    [(True, True, "docker"), (True, False, "docker"), (False, True, "bubblewrap")],
)
def test_auto_takes_the_strongest(monkeypatch: pytest.MonkeyPatch, docker: bool, bubblewrap: bool, chosen: str) -> None:
    offer(monkeypatch, docker, bubblewrap)
    assert create_sandbox("auto", SandboxConfig()).name == chosen


def test_auto_never_takes_what_does_not_confine(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, False, False)
    with pytest.raises(SandboxUnavailableError, match=r"no docker\. Install it\..*no bubblewrap.*--sandbox process"):
        create_sandbox("auto", SandboxConfig(allow_process=True))


def test_process_must_be_allowed_and_says_what_it_is() -> None:
    with pytest.raises(SandboxUnavailableError, match="confines nothing"):
        create_sandbox("process", SandboxConfig())
    sandbox = create_sandbox("process", SandboxConfig(allow_process=True))
    assert "not a sandbox" in sandbox.warning  # type: ignore[attr-defined]
    assert "NOT A SANDBOX" in str(type(sandbox).__doc__)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'bubblewrap'"):
        create_sandbox("bublewrap", SandboxConfig())


def test_what_is_not_there_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {item.name: item for item in available()}
    assert not found["docker"].ok
    assert "Start Docker" in found["docker"].detail
    assert not found["bubblewrap"].ok
    assert "apt install bubblewrap" in found["bubblewrap"].detail
    assert found["process"].ok


def test_a_script_reports_what_programs_rely_on(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint(sys.argv[1:])\nopen('made.txt', 'w').write('four')\nsys.exit(3)\n")
    report = run_script(program, ["--x", "1"], backend="process")
    assert report["seconds"] > 0
    del report["seconds"]
    assert report == {
        "backend": "process",
        "outcome": "error",
        "reason": None,
        "exit_code": 3,
        "stdout_tail": "['--x', '1']\n",
        "stderr_tail": "",
        "files": [{"name": "made.txt", "bytes": 4}],
    }


def test_a_script_never_empties_a_folder_that_holds_something(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("open('made.txt', 'w').write('four')\n")
    with pytest.raises(InvalidValueError, match="expected an empty folder"):
        run_script(program, backend="process", keep=tmp_path)
    assert program.exists()


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.py cannot be read: No such file"):
        run_script(tmp_path / "none.py", backend="process")
