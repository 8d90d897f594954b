"""Tasks: disjoint splits, stable content ids, settings and files that are wrong."""

import math

import numpy as np
import pytest

from neuramosaic.errors import DataError, InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.tasks import python_code, recall
from neuramosaic.tasks.base import SPLITS
from neuramosaic.tasks.registry import create_task, register_task, task_names, task_settings


def load(name, **settings):
    return create_task(name, **settings).load(np.random.default_rng(0))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("".join(f"line {number} of a text — with a dash\n" for number in range(400)), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", task_names())
def test_every_registered_task_loads_and_repeats_itself(name, text):
    name = name.replace("FILE", str(text))
    first, second = load(name, sequence_length=32), load(name, sequence_length=32)
    assert tuple(first.splits) == SPLITS
    assert first.corpus == second.corpus
    assert first.corpus.startswith("sha256:")
    for split in SPLITS:
        tokens = first.splits[split].tokens
        assert np.array_equal(tokens, second.splits[split].tokens)
        assert tokens.dtype in (np.uint8, np.uint16)
        assert int(tokens.max()) < first.vocab_size
    task = create_task(name, sequence_length=32)
    assert task.settings()["sequence_length"] == 32
    assert task.byte_level is first.byte_level
    assert (task.metric.name, task.metric.direction) == ("val_loss", "minimise")


def test_python_code_puts_no_file_and_no_content_into_two_splits(tmp_path):
    for number in range(200):
        (tmp_path / f"m{number:03}.py").write_text(f"value = {number % 150}\n")  # the last 50 repeat the first 50
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "left_out.py").write_text("left = 'out'\n")
    (tmp_path / "empty.py").write_text("")
    files = python_code.read_files(tmp_path)
    assert len(files) == 150
    data = python_code.split_files(tmp_path, files, 8)
    pieces = {split: bytes(data.splits[split].tokens).split(python_code.SEPARATOR) for split in SPLITS}
    assert sorted(piece for split in SPLITS for piece in pieces[split]) == sorted(files.values())
    assert sum(data.facts["files"].values()) == 150


def test_where_a_file_goes_depends_on_nothing_else(tmp_path):
    files = {f"m{number}.py": f"x = {number}\n".encode() for number in range(300)}
    whole = {path: python_code.split_of(path, content) for path, content in files.items()}
    assert set(whole.values()) == set(SPLITS)
    assert python_code.split_of("m7.py", b"x = 7\n") == whole["m7.py"]
    assert 0.03 < sum(split == "val" for split in whole.values()) / 300 < 0.09


def test_python_code_reads_the_standard_library_quickly_and_whole():
    data = load("python-code")
    assert data.vocab_size == 256
    assert data.byte_level
    assert len(data.splits["train"].tokens) > 5_000_000
    assert len(data.splits["val"].tokens) > 200_000


def test_the_corpus_id_follows_path_and_content():
    one = python_code.split_files(".", {f"{n}.py": b"abcdefghij%d" % n for n in range(99)}, 8).corpus
    other = python_code.split_files(".", {f"{n}.py": b"abcdefghiJ%d" % n for n in range(99)}, 8).corpus
    renamed = python_code.split_files(".", {f"{n}_.py": b"abcdefghij%d" % n for n in range(99)}, 8).corpus
    assert len({one, other, renamed}) == 3


def test_shared_content_is_refused():
    with pytest.raises(DataError, match="val and test splits share content"):
        python_code.assert_disjoint({"train": {"a"}, "val": {"b", "c"}, "test": {"c"}})


def test_a_missing_standard_library_is_one_clear_line(tmp_path):
    with pytest.raises(DataError, match=r"no \.py files under"):
        python_code.read_files(tmp_path)


def test_text_is_cut_into_contiguous_splits(text):
    data = load(f"text:{text}", sequence_length=16, val_percent=20, test_percent=10)
    content = text.read_bytes()
    assert b"".join(bytes(data.splits[split].tokens) for split in SPLITS) == content
    assert len(data.splits["val"].tokens) == len(content) // 5
    assert len(data.splits["test"].tokens) == len(content) // 10


def test_text_corpus_follows_content_and_cut(text):
    first = load(f"text:{text}").corpus
    assert load(f"text:{text}", val_percent=11).corpus != first
    text.write_text(text.read_text() + "x")
    assert load(f"text:{text}").corpus != first


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"ab\xff" * 999, "is not UTF-8 (byte 2 is 0xff)"), (b"short", "5 bytes are too few")],
)
def test_text_that_cannot_be_used_is_named(tmp_path, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(f"text:{path}")
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_length_that_the_error_asks_for_is_enough(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("x" * 2569)
    with pytest.raises(DataError, match="needs about 2570"):
        load(f"text:{path}")
    path.write_text("x" * 2570)
    assert len(load(f"text:{path}").splits["val"].tokens) == 257


def test_text_missing_directory_and_device(tmp_path):
    for path, message in ((tmp_path / "no.txt", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(DataError, match=message):
            load(f"text:{path}")
    with pytest.raises(DataError, match="not a regular file"):
        load("text:/dev/zero")


def test_text_unreadable(text, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(text), "read_bytes", refuse)
    with pytest.raises(DataError, match=r"notes\.txt: cannot be read \(Permission denied\)"):
        load(f"text:{text}")


def test_recall_splits_share_no_sequence_and_none_repeats():
    data = load("recall", train_sequences=2000, val_sequences=100)
    rows = [row.tobytes() for split in SPLITS for row in data.splits[split].tokens]
    assert len(set(rows)) == len(rows) == 2200


def test_recall_asks_for_each_shown_key_once_and_the_answer_is_its_value():
    data = load("recall", sequence_length=40, pairs=6, train_sequences=50, val_sequences=10)
    split = data.splits["train"]
    for tokens, weights in zip(split.tokens, split.weights, strict=True):
        shown = dict(zip(tokens[0:12:2], tokens[1:12:2], strict=True))
        asked = [(tokens[t], tokens[t + 1]) for t in np.flatnonzero(weights)]
        assert len(shown) == len(asked) == 6
        assert dict(asked) == shown
        assert weights[:12].sum() == 0


def test_recall_sanity_figure_is_the_uniform_guess():
    assert f"{math.log(16):.2f} nats" in create_task("recall").sanity
    assert load("recall", values=5, train_sequences=9, val_sequences=9).facts["uniform_guess_nats"] == math.log(5)


def test_recall_draws_follow_the_generator():
    task = create_task("recall", train_sequences=10, val_sequences=10)
    one, other = (task.load(np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(one.splits["train"].tokens, other.splits["train"].tokens)
    assert one.corpus != other.corpus


def test_recall_with_too_few_distinct_sequences_says_so():
    with pytest.raises(DataError, match="too few distinct sequences"):
        load("recall", sequence_length=8, pairs=1, keys=1, values=2)


def test_a_sequence_drawn_for_one_split_is_never_in_another():
    taken = set()
    task = recall.Recall(sequence_length=8, pairs=1, keys=2, values=4)
    rows = [task._distinct(8, np.random.default_rng(seed), taken) for seed in (0, 0)]
    assert not {row.tobytes() for row in rows[0]} & {row.tobytes() for row in rows[1]}


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("python-cod", {}, UnknownNameError, "did you mean 'python-code'"),
        ("python-code", {"sequence_lenght": 8}, UnknownOptionError, "did you mean 'sequence_length'"),
        ("python-code", {"sequence_length": 0}, InvalidValueError, "task.sequence_length: 0"),
        ("python-code", {"sequence_length": 2.5}, InvalidValueError, "a whole number from 8"),
        ("python-code:x", {}, UnknownNameError, "unknown task"),
        ("text", {}, InvalidValueError, "text:FILE with a path"),
        ("text:", {}, InvalidValueError, "text:FILE with a path"),
        ("text:FILE", {}, InvalidValueError, "text:FILE with a path"),
        ("text:x", {"val_percent": 90}, InvalidValueError, "task.val_percent: 90"),
        ("recall", {"pairs": 9}, InvalidValueError, "at most sequence_length / 4 = 8"),
        ("recall", {"keys": 3}, InvalidValueError, "task.keys: 3"),
    ],
)
def test_wrong_names_and_settings(name, settings, error, message):
    with pytest.raises(error) as caught:
        create_task(name, **settings)
    assert message in str(caught.value)


def test_settings_are_listed_with_their_defaults():
    assert task_settings("python-code") == {"sequence_length": 128}
    assert task_settings("text:anything.txt")["val_percent"] == 10


def test_a_task_of_ones_own(monkeypatch):
    monkeypatch.setattr("neuramosaic.tasks.registry._FACTORIES", {})
    register_task("mine", python_code.PythonCode)
    assert create_task("mine").name == "python-code"
    with pytest.raises(UsageError, match="already registered"):
        register_task("mine", python_code.PythonCode)
