"""A person's key: sent to the server that was named, and nowhere else to be found."""

import contextlib
import json
import os
import time
import zlib

import pytest

from agents.llm.keys import KEY_VARIABLE
from graph.control import launch
from graph.session import create_study
from neuramosaic.store.records import StudyState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

KEY = "sk-planted-8c41f2d96b7e"


def holding(folder, secret):
    """Return the files below a folder that hold a secret, git's objects looked into."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if "objects" in path.parts:
            with contextlib.suppress(zlib.error):
                content += zlib.decompress(content)
        if secret in content:
            found.append(path)
    return found


def test_git_objects_are_looked_into(tmp_path):
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "x").write_bytes(zlib.compress(KEY.encode()))
    (tmp_path / "y").write_bytes(KEY.encode())
    (tmp_path / "z").write_text("nothing")
    assert sorted(path.name for path in holding(tmp_path, KEY.encode())) == ["x", "y"]


@pytest.mark.slow
def test_the_key_is_nowhere_but_in_the_header(tmp_path, asking, model_server, answering, monkeypatch):
    """A real session in a process of its own, and a server that sends the key back in all it can."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    workspace = tmp_path / "ws"
    trouble = [
        lambda handler: model_server.sends(f'{{"error": "bad key {KEY}"}}', 500)(handler),
        lambda handler: model_server.sends(f"<html>{handler.headers['Authorization']}</html>")(handler),
        lambda handler: model_server.says(f"you sent {KEY}", model=KEY)(handler),
    ]
    answered = []

    def echo(handler):
        """Answer what fits, with the header in every text."""
        form = model_server.requests[-1]["response_format"]["json_schema"]
        said = answering(form["schema"])
        said |= {name: f"{value} {KEY}" for name, value in said.items() if name in ("why", "summary")}
        answered.append(said)
        model_server.says(json.dumps(said), reasoning=KEY)(handler)

    model_server.behaviours = [*trouble, echo]
    config = StudyConfig.from_mapping({**asking.to_json(), "trials": 8, "rungs": 1, "new_components": 0})
    study = create_study(config, workspace)
    session = launch(study, workspace)
    environments = set()
    while session.poll() is None:
        environments |= sandboxed(workspace)
        time.sleep(0.05)
    assert session.returncode == 0
    with Store.open(workspace) as store:
        assert store.study(study).state is StudyState.FINISHED
    assert answered, "the model was never asked in earnest"
    assert all(request["headers"]["authorization"] == f"Bearer {KEY}" for request in model_server.requests)
    assert not [request for request in model_server.requests if KEY in str(request["messages"])]
    assert holding(workspace, KEY.encode()) == []
    assert environments, "no sandboxed process was seen"
    assert not [text for text in environments if KEY.encode() in text]


def sandboxed(workspace):
    """Return the environments of the sandboxed processes that a workspace's session has started."""
    found = set()
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as line, open(f"/proc/{entry}/environ", "rb") as environment:
                words, text = line.read(), environment.read()
                if b"sandbox." in words and str(workspace).encode() in words + text:
                    found.add(text)
        except (OSError, ValueError):
            continue
    return found
