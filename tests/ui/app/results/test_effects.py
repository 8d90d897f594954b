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
    assert [tab.label for tab in app.tabs] == ["Components", "Pairs of components", "All numbers"]
    assert any("not a cause" in caption.value for caption in app.caption)
