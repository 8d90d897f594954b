from __future__ import annotations

import subprocess

import pytest

from sandbox import bubblewrap


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"bwrap: Unknown option --disable-userns\n", "needs bubblewrap 0.8 or newer (bwrap: Unknown option"),
        (b"bwrap: No permissions to create new namespace\n", "cannot make namespaces here (bwrap: No permissions"),
    ],
)
def test_why_bubblewrap_cannot_be_used_is_told_apart(
    said: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.bubblewrap.sys.platform", "linux")
    monkeypatch.setattr("sandbox.bubblewrap.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        "sandbox.bubblewrap.subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 1, b"", said)
    )
    found = bubblewrap.unavailable()
    assert found is not None
    assert problem in found.problem
