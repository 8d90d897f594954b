import numpy as np
import pytest

from neuramosaic.analysis.predictions import FEWEST, assess_predictions
from neuramosaic.seeds import stream
from neuramosaic.store.records import TrialState


@pytest.fixture
def told(trial, architectures):
    """Make a study: a baseline of loss 3, then trials with these predictions and losses, each after the one before."""

    def make(predicted, losses, **changes):
        made = [trial(0, architectures[0], 3.0, source="baseline")]
        for number, (guess, loss) in enumerate(zip(predicted, losses, strict=True), start=1):
            proposal = {} if guess is None else {"predicted_loss": guess}
            record = trial(number, architectures[number % 18], loss, source="llm", proposal=proposal, after=number)
            made.append(record)
        return made

    return make


def assess(trials):
    return assess_predictions(trials, rng=stream(0, "test"))


def test_a_good_prediction_is_told_from_a_trivial_one(told):
    losses = [2.0, 2.5, 3.5, 2.2, 3.1, 2.9, 2.4, 3.3]
    found = assess(told([loss + 0.1 for loss in losses], losses))
    assert (found.made, found.measured) == (8, 8)
    assert found.error == pytest.approx(0.1)
    assert found.bias == pytest.approx(0.1)
    # The mean of what was known: 3; then of 3 and 2; ...
    means = [np.mean([3.0, *losses[:n]]) for n in range(8)]
    assert found.trivial_error == pytest.approx(np.abs(np.array(means) - losses).mean())
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.low > 0.9
    assert "less than the trivial prediction" in found.verdict
    assert "its order means something" in found.verdict


def test_a_prediction_that_says_nothing_is_seen_through(told):
    losses = [2.0, 2.5, 3.5, 2.2, 3.1, 2.9, 2.4, 3.3]
    found = assess(told([1.0, 1.2, 1.1, 1.3, 1.0, 1.25, 1.15, 1.05], losses))
    assert found.bias < -1
    assert found.low < 0 < found.high
    assert "no less than the trivial prediction" in found.verdict
    assert "not told from chance" in found.verdict
    alike = assess(told([2.0] * 8, losses))
    assert (alike.rank_correlation, alike.low) == (None, None)
    assert alike.verdict.endswith("its order says nothing: all are alike")


def test_only_what_was_known_when_it_was_made_counts_for_the_trivial_prediction(told):
    trials = told([2.0] * 6, [2.0] * 6)
    early = [trials[0], *(trial.__class__(**{**vars(trial), "after": 1}) for trial in trials[1:])]
    assert assess(early).trivial_error == pytest.approx(1.0)  # the baseline alone
    assert assess(trials).trivial_error < 1.0


def test_too_few_say_nothing_and_none_is_none(told, trial, architectures):
    assert assess(told([None] * 8, [2.0] * 8)) is None
    few = assess(told([2.0] * (FEWEST - 1) + [2.0, None], [2.5] * (FEWEST - 1) + [None, 2.5]))
    assert (few.made, few.measured, few.error) == (FEWEST, FEWEST - 1, None)
    assert few.verdict == "4 of 5 were measured: too few to say anything, 5 are needed"
    assert few.to_json()["verdict"] == few.verdict
    # A promoted trial was not predicted: its parent was.
    promoted = [
        trial(
            9, architectures[1], 1.0, source="llm", rung=1, parent="python-code-1.1", proposal={"predicted_loss": 1.0}
        ),
        trial(10, architectures[2], None, source="llm", state=TrialState.FAILED),
    ]
    assert assess(promoted) is None
