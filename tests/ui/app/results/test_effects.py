from pathlib import Path
from typing import Any


def test_effects_are_listed_the_most_favourable_first(show: Any, studied: Path) -> None:
    app = show("effects", studied)
    assert not app.exception
    assert not app.error
    frame = app.dataframe[0].value
    differences = list(frame["difference (nats per byte)"])
    assert differences == sorted(differences)
    assert (frame["low"] <= frame["high"]).all()
    assert any("not a cause" in caption.value for caption in app.caption)


def test_the_other_parts_are_drawn_when_they_are_chosen(show: Any, studied: Path) -> None:
    app = show("effects", studied)
    for part in ("Pairs of components", "All numbers"):
        app.segmented_control(key="effects part").set_value(part).run()
        assert not app.exception
        assert not app.error
        assert app.get("plotly_chart") or "Too few trials to tell pairs apart" in app.info[0].value
