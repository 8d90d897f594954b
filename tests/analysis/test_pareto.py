from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neuramosaic.analysis.designs import Measurement, measurement
from neuramosaic.analysis.pareto import COSTS, pareto_front
from neuramosaic.analysis.pareto_plots import MOST, pareto_figure

SECONDS = COSTS["seconds"]


def made(*pairs: tuple[float | None, float | None]) -> list[Measurement]:
    return [
        Measurement(f"s.{i}", i, "COMPLETE", "random", "x", (), f"a{i}", 9, 0, 0, 64, loss, seconds=seconds)
        for i, (seconds, loss) in enumerate(pairs)
    ]


def test_nothing_beats_what_is_on_the_front() -> None:
    rng = np.random.default_rng(0)
    trials = made(*rng.random((200, 2)).tolist())
    front = pareto_front(trials, SECONDS)
    for trial in trials:
        beaten = [
            other
            for other in trials
            if (other.seconds or 0) <= (trial.seconds or 0)
            and (other.val_loss or 0) <= (trial.val_loss or 0)
            and other is not trial
        ]
        assert (trial in front) == (not beaten)


def test_equals_count_once_and_the_unknown_not_at_all() -> None:
    trials = made((1.0, 2.0), (1.0, 2.0), (None, 0.1), (0.1, None), (2.0, 2.0))
    assert [trial.number for trial in pareto_front(trials, SECONDS)] == [0]


@pytest.mark.parametrize("cost", list(COSTS))
def test_every_cost_has_a_unit_and_a_value(cost: str, trials: Any) -> None:
    trial = replace(measurement(trials[0]), cost_flops=3.0, peak_memory_bytes=2.0**21)
    assert COSTS[cost].of(trial) == {"parameters": 60_000, "training FLOPs": 3, "seconds": 20, "memory": 2}[cost]


def test_the_figure_marks_the_front_and_the_baseline(trials: Any) -> None:
    shown = [measurement(trial) for trial in trials if trial.rung == 0]
    figure = pareto_figure(shown, SECONDS, "nats per byte", rng=np.random.default_rng(0))
    drawn = {trace.name: trace for trace in figure.data}
    assert len(drawn["Pareto front"].x) == len(pareto_front(shown, SECONDS))
    assert list(drawn["baseline"].y) == [2.1]
    assert figure.layout.xaxis.title.text == "wall time of the trial (seconds), lower is better"


def test_of_many_trials_a_part_is_drawn_and_it_is_said() -> None:
    trials = made(*((1.0 + i, 1.0 + i) for i in range(2000)))
    figure = pareto_figure(trials, SECONDS, "nats", rng=np.random.default_rng(0))
    assert len(figure.data[0].x) == MOST
    assert "1,500 of the 1,999 others" in figure.layout.title.subtitle.text
    assert figure.layout.xaxis.type == "log"
