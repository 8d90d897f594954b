"""Task data on disk: what is read is what was written, and a search never gets the test split."""

import json

import numpy as np
import pytest

from neuramosaic.errors import DataError
from neuramosaic.tasks.base import SPLITS, Split, TaskData
from neuramosaic.tasks.files import read_description, read_split, write_task_data
from neuramosaic.tasks.registry import create_task


@pytest.fixture
def data():
    return create_task("recall", train_sequences=30, val_sequences=10).load(np.random.default_rng(0))


def test_round_trip(data, tmp_path):
    description = write_task_data(data, tmp_path)
    assert json.loads(json.dumps(description)) == description == read_description(tmp_path / "search")
    assert description["byte_level"] is False
    for name, where in (("train", "search"), ("val", "search"), ("test", "test")):
        split = read_split(tmp_path / where, read_description(tmp_path / where)["splits"][name])
        assert np.array_equal(split.tokens, data.splits[name].tokens)
        assert np.array_equal(split.weights, data.splits[name].weights)
        assert split.tokens.dtype == np.uint16


def test_the_search_directory_holds_nothing_of_the_test_split(data, tmp_path):
    description = write_task_data(data, tmp_path)
    assert set(description["splits"]) == {"train", "val"}
    assert not [path for path in (tmp_path / "search").iterdir() if "test" in path.name]
    assert (tmp_path / "test" / "test.tokens.bin").exists()


def test_a_stream_has_no_weights(tmp_path):
    data = TaskData({name: Split(np.arange(50, dtype=np.uint8)) for name in SPLITS}, 256, 8, "sha256:0", True)
    description = write_task_data(data, tmp_path)
    assert description["byte_level"] is True
    split = read_split(tmp_path / "search", description["splits"]["val"])
    assert split.weights is None
    with pytest.raises(ValueError, match="read-only"):
        split.tokens[0] = 1


def test_damaged_files_are_named(data, tmp_path):
    description = write_task_data(data, tmp_path)["splits"]["train"]
    path = tmp_path / "search" / "train.tokens.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"train\.tokens\.bin: holds 1979 bytes, its description says 1980"):
        read_split(tmp_path / "search", description)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_split(tmp_path / "search", description)
    with pytest.raises(DataError, match=r"data\.json"):
        read_description(tmp_path / "nowhere")


def test_other_kinds_of_array_are_refused(tmp_path):
    data = TaskData({name: Split(np.arange(50)) for name in SPLITS}, 256, 8, "sha256:0")
    with pytest.raises(DataError, match="uint8 or uint16, got int64"):
        write_task_data(data, tmp_path)
