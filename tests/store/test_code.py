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
    lock = tmp_path / ".git" / "refs" / "models" / "aa.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert repository.commit("aa", {"model.py": ""}, "label")


def test_what_is_not_there(tmp_path):
    repository = CodeRepository(tmp_path)
    with pytest.raises(NotFoundError):
        repository.read("deadbeef", "model.py")


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match="git is not installed"):
        CodeRepository(tmp_path / "code")
