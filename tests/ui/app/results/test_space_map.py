from pathlib import Path
from typing import Any

import pytest

from neuramosaic.analysis.map_plots import NEIGHBOURS


def test_the_map_shows_the_architectures_and_their_groups(show: Any, studied: Path) -> None:
    app = show("space_map", studied)
    assert not app.exception
    assert not app.error
    assert any("17 architectures at rung 0" in caption.value for caption in app.caption)
    assert len(app.table[0].value) >= 2


@pytest.mark.parametrize("method", [NEIGHBOURS])
def test_neighbours_and_groups_can_be_chosen(method: str, show: Any, studied: Path) -> None:
    app = show("space_map", studied)
    app.segmented_control(key="map method").set_value(method)
    app.segmented_control(key="map colour").set_value("group").run()
    assert not app.exception
    assert not app.error


def test_the_prediction_is_made_when_it_is_asked_for(show: Any, studied: Path) -> None:
    app = show("space_map", studied)
    app.segmented_control(key="map part").set_value("Loss over two dimensions").run()
    assert len(app.get("plotly_chart")) == 1
    app.toggle(key="predict").set_value(True).run()
    assert not app.exception
    assert not app.error
    assert len(app.get("plotly_chart")) == 3
    assert any("fitted to 16 architectures" in caption.value for caption in app.caption)
    app.selectbox(key="surface x").select("depth").run()
    assert not app.error
