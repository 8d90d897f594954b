"""A trial of a real training, exported and run again."""

import re
import shutil
import subprocess
import sys

import pytest

from graph.export import export_trial
from graph.reproduce import reproduce_trial
from graph.session import create_study, run_study
from neuramosaic.errors import DataError, UsageError
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig

TEXT = "".join(f"line {number}: {number * number} is the square of {number}\n" for number in range(3000))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    file = folder / "squares.txt"
    file.write_text(TEXT)
    config = StudyConfig(
        task=f"text:{file}",
        task_settings={"sequence_length": 32},
        params=20_000,
        trials=1,
        rungs=1,
        tokens=2_048,
        batch_size=8,
        workers=1,
        threads=1,
        sandbox="process",
        sampler="random",
    )
    run_study(create_study(config, folder / "ws"), folder / "ws")
    return folder / "ws"


def test_the_readme_of_an_export_runs(workspace, tmp_path):
    with Store.open(workspace) as store:
        trial = store.trials("text-1")[0]
        files = export_trial(store, trial.id, workspace, tmp_path / "exported")
        assert {file.name for file in files} == {"model.py", "config.json", "README.md", "weights.safetensors"}
        with pytest.raises(UsageError, match="not an empty directory"):
            export_trial(store, trial.id, workspace, tmp_path / "exported")
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "exported" / "README.md").read_text(), re.DOTALL)
    for arguments in (["-c", code], ["model.py"]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path / "exported", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_a_trial_is_reproduced_to_the_last_bit(workspace):
    with Store.open(workspace) as store:
        trial = store.trials("text-1")[0]
        again = reproduce_trial(store, trial.id, workspace)
        assert again.matches
        assert (again.measured, again.tolerance, again.differences) == (trial.val_loss, 0.0, [])


def test_a_workspace_stands_on_its_own(workspace, tmp_path):
    """Copied elsewhere, and the text file gone: the trial is still reproduced."""
    moved = tmp_path / "moved"
    shutil.copytree(workspace, moved)
    file = workspace.parent / "squares.txt"
    file.unlink()
    with Store.open(moved) as store:
        assert reproduce_trial(store, "text-1.0", moved).matches
        shutil.rmtree(moved / "artifacts" / "data")
        with pytest.raises(DataError, match=r"squares\.txt"):
            reproduce_trial(store, "text-1.0", moved)
        file.write_text(TEXT + "one more line\n")
        with pytest.raises(DataError, match="put the folder back"):
            reproduce_trial(store, "text-1.0", moved)
