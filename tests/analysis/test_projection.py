import numpy as np
import pytest

from neuramosaic.analysis.projection import project


def test_the_plane_of_greatest_variance_is_found() -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((50, 2)) * [5.0, 1.0]
    basis, _ = np.linalg.qr(rng.standard_normal((10, 10)))
    vectors = flat @ basis[:2] + 7.0
    projection = project(vectors)
    assert projection.explained.sum() == pytest.approx(1.0)
    assert projection.explained[0] > 0.9
    # All the data lies in one plane, so that distances survive.
    original = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    projected = np.linalg.norm(projection.points[:, None] - projection.points[None], axis=-1)
    assert projected == pytest.approx(original)


def test_the_picture_does_not_depend_on_the_sign_of_the_axes() -> None:
    vectors = np.random.default_rng(1).random((9, 4))
    assert project(vectors[::-1]).points[::-1] == pytest.approx(project(vectors).points)


@pytest.mark.parametrize("vectors", [np.zeros((0, 5)), np.ones((1, 5)), np.ones((4, 5)), np.ones((3, 1))])
def test_degenerate_data_lies_in_the_origin(vectors: np.ndarray) -> None:
    projection = project(vectors)
    assert projection.points.shape == (len(vectors), 2)
    assert (projection.points == 0).all()
    assert (projection.explained == 0).all()


def test_two_points_span_one_axis_only() -> None:
    projection = project(np.random.default_rng(2).random((2, 6)))
    assert projection.explained == pytest.approx([1.0, 0.0])
    assert (projection.points[:, 1] == 0).all()
