from typing import Any

import numpy as np
import pytest

from neuramosaic.analysis.clusters import cluster
from neuramosaic.analysis.designs import Designs, Measurement, describe, measurement, sample
from neuramosaic.analysis.map_plots import NEIGHBOURS, PCA, map_figure, place
from neuramosaic.analysis.projection import neighbour_embedding
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.space.domains import Categorical, Integer
from neuramosaic.space.parameters import ParameterSpace

UNIT = "nats per byte"


@pytest.fixture
def designs(trials: Any, space: ArchitectureSpace) -> Designs:
    chosen = sample([measurement(trial) for trial in trials], rng=np.random.default_rng(0))
    return describe(chosen, {trial.architecture_id: trial.architecture for trial in trials}, space.parameters)


def two_kinds(n: int = 40) -> Designs:
    """Two kinds of designs that differ in everything, the first with the lower loss."""
    space = ParameterSpace([Categorical("op", ("a", "b")), Integer("depth", 1, 9)])
    points = [{"op": "b", "depth": 8 + i % 2} if i % 2 else {"op": "a", "depth": 1 + i // 2 % 2} for i in range(n)]
    trials = [
        Measurement(
            f"s.{i}", i, "COMPLETE", "random", "<b>", (f"mixer:{point['op']}",), f"a{i}", 9, 0, 0, 64, 2.0 + i % 2
        )
        for i, point in enumerate(points)
    ]
    return Designs(space, tuple(trials), tuple(points), np.array([space.encode(point) for point in points]))


def test_the_map_shows_each_architecture_once_with_its_loss(designs: Designs, trials: Any) -> None:
    figure = map_figure(designs, UNIT)
    assert [trace.name for trace in figure.data] == ["no result", "searched", "baseline"]
    failed, searched, baseline = figure.data
    assert (len(searched.x), len(baseline.x), len(failed.x)) == (15, 1, 2)
    assert list(searched.marker.color) == [t.val_loss for t in trials[1:18] if t.val_loss is not None]
    assert "python-code-1.0 (baseline)" in baseline.text[0]
    assert "loss 2.1000" in baseline.text[0]
    assert "rung 0, 1,000,000 tokens" in figure.layout.title.subtitle.text


def test_names_are_escaped() -> None:
    assert "&lt;b&gt;" in map_figure(two_kinds(), UNIT).data[0].text[0]


def test_two_kinds_are_two_groups_with_what_sets_them_apart() -> None:
    designs = two_kinds()
    labels, clusters = cluster(designs)
    assert [group.size for group in clusters] == [20, 20]
    assert [group.mean for group in clusters] == [2.0, 3.0]
    assert (labels == 1 + np.arange(40) % 2).all()
    assert clusters[0].best_trial == "s.0"
    assert "mixer:a in 100% (others 0%)" in clusters[0].traits
    assert "depth 9 (others 1.5)" in clusters[1].traits
    figure = map_figure(designs, UNIT, labels=labels, clusters=clusters, by_cluster=True)
    assert [note.text for note in figure.layout.annotations] == ["<b>1</b>", "<b>2</b>"]
    assert len(set(figure.data[0].marker.color)) == 2


def test_groups_do_not_change_from_one_call_to_the_next(designs: Designs) -> None:
    assert (cluster(designs)[0] == cluster(designs)[0]).all()


def test_few_or_equal_architectures_form_no_groups() -> None:
    labels, clusters = cluster(two_kinds(8))
    assert (labels.tolist(), clusters) == ([0] * 8, [])
    same = two_kinds().part([0] * 20)
    assert cluster(same)[1] == []


@pytest.mark.parametrize("method", [PCA, NEIGHBOURS])
def test_every_way_of_placing_gives_finite_points(method: str, designs: Designs) -> None:
    points, x, y = place(designs, method)
    assert points.shape == (18, 2)
    assert np.isfinite(points).all()
    assert x != y


def test_the_embedding_keeps_neighbours_together() -> None:
    rng = np.random.default_rng(0)
    vectors = np.vstack([rng.normal(0, 0.1, (20, 5)), rng.normal(9, 0.1, (20, 5))])
    points = neighbour_embedding(vectors)
    inside = np.linalg.norm(points[:20] - points[:20].mean(axis=0), axis=1).max()
    assert np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0)) > inside
    assert (neighbour_embedding(np.zeros((9, 3))) == 0).all()
    assert neighbour_embedding(vectors[:2]).shape == (2, 2)
