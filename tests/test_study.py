import pytest

from neuramosaic.errors import InvalidValueError, UnknownOptionError, UsageError
from neuramosaic.study import StudyConfig, parse_count


def test_counts_are_read_as_people_write_them():
    assert [parse_count(text) for text in ("300k", "1.5M", "2_000", 7)] == [300_000, 1_500_000, 2_000, 7]
    for text in ("", "k", "-3", "0", "3x", "1e5"):
        with pytest.raises(ValueError, match="a count such as 300000"):
            parse_count(text)


def test_a_misspelt_key_names_the_nearest():
    with pytest.raises(UnknownOptionError, match="unknown option 'trails': did you mean 'trials'"):
        StudyConfig.from_mapping({"trails": 3})
    with pytest.raises(UnknownOptionError, match=r"configuration.space: unknown option 'mixer': did you mean 'mixers'"):
        StudyConfig.from_mapping({"space": {"mixer": ["ssm"]}})


@pytest.mark.parametrize(
    ("key", "value"),
    [("trials", 0), ("params", "many"), ("sandbox", "chroot"), ("llm", "gpt"), ("seed", -1), ("eta", 1.5)],
)
def test_a_bad_value_names_its_field(key, value):
    with pytest.raises(InvalidValueError) as caught:
        StudyConfig.from_mapping({key: value})
    assert caught.value.field == key
    assert "is not valid: expected " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_was_said_explicitly_wins_over_the_file(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("trials: 3\nparams: 50k\nspace: {mixers: [ssm]}\n")
    config = StudyConfig.from_file(file, {"trials": 5})
    assert (config.trials, config.params, config.space.mixers) == (5, 50_000, ("ssm",))
    assert StudyConfig.from_mapping(config.to_json()) == config


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [", "just words"])
def test_a_file_that_is_no_configuration(tmp_path, text):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"study\.yaml"):
        StudyConfig.from_file(file)
    with pytest.raises(UsageError, match="cannot read"):
        StudyConfig.from_file(tmp_path / "missing.yaml")


def test_fidelity_rises_by_eta():
    config = StudyConfig(tokens=100, eta=3, rungs=3)
    assert [config.fidelity(rung) for rung in range(3)] == [100, 300, 900]


COMPARISON = {"component": {"slot": "mixer", "name": "min_gru"}, "seeds": [0, 5]}


def test_a_comparison_says_how_many_trials_it_has() -> None:
    config = StudyConfig.from_mapping({"comparison": COMPARISON})
    assert (config.trials, config.rungs) == (2, 1)
    assert StudyConfig.from_mapping(config.to_json()) == config
    assert StudyConfig.from_mapping({}).comparison is None


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"comparison": {**COMPARISON, "seeds": [1]}}, InvalidValueError, "comparison.seeds"),
        ({"comparison": {**COMPARISON, "seeds": [1, 1]}}, InvalidValueError, "seeds that differ"),
        ({"comparison": {**COMPARISON, "seeds": [1, -1]}}, InvalidValueError, "comparison.seeds.1"),
        ({"comparison": {**COMPARISON, "seed": [1]}}, UnknownOptionError, "did you mean 'seeds'"),
        ({"comparison": {"component": {"slt": "x", "name": "y"}}}, UnknownOptionError, "did you mean 'slot'"),
        ({"comparison": COMPARISON, "trials": 9}, UsageError, "`trials` beside `comparison`"),
        ({"comparison": COMPARISON, "rungs": 2}, UsageError, "`rungs` beside `comparison`"),
        ({"comparison": COMPARISON, "llm": "local"}, UsageError, "`llm` beside `comparison`"),
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(data: dict[str, object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        StudyConfig.from_mapping(data)
