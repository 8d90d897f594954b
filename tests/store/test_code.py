import subprocess

import pytest

from neuramosaic.errors import NotFoundError, StoreError
from neuramosaic.store.code import CodeRepository


def test_the_same_code_has_the_same_commit_everywhere(tmp_path):
    files = {"model.py": "print(1)\n", "architecture.json": "{}"}
    one = CodeRepository(tmp_path / "a").commit("aa", files, "label")
    repository = CodeRepository(tmp_path / "b")
    assert repository.commit("aa", files, "label") == one
    assert repository.commit("aa", files, "label") == one
    assert repository.read(one, "model.py") == "print(1)\n"


def test_a_lock_left_by_a_killed_process_is_no_obstacle(tmp_path):
    repository = CodeRepository(tmp_path)
    commit = repository.commit("aa", {"model.py": ""}, "label")
    lock = tmp_path / ".git" / "refs" / "models" / "aa" / f"{commit[:12]}.lock"
    lock.touch()
    assert repository.commit("aa", {"model.py": ""}, "label") == commit


def test_what_is_not_there(tmp_path):
    repository = CodeRepository(tmp_path)
    with pytest.raises(NotFoundError):
        repository.read("deadbeef", "model.py")


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match="git is not installed"):
        CodeRepository(tmp_path / "code")


def test_other_code_for_the_same_architecture_takes_nothing_away(tmp_path):
    repository = CodeRepository(tmp_path)
    commits = [repository.commit("aa", {"model.py": text}, "label") for text in ("one", "two")]
    subprocess.run(["git", "-C", tmp_path, "reflog", "expire", "--all", "--expire=now"], check=True)
    subprocess.run(["git", "-C", tmp_path, "gc", "--quiet", "--prune=now"], check=True)
    assert [repository.read(commit, "model.py") for commit in commits] == ["one", "two"]


def test_a_caller_inside_another_repository_keeps_it_clean(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    CodeRepository(tmp_path / "code").commit("aa", {"model.py": ""}, "label")
    assert (tmp_path / "code" / ".git").is_dir()
    assert not (tmp_path / "elsewhere").exists()
