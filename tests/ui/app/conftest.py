"""Views of the app, run without a browser on a workspace that was not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui.reader import Reader

View = Callable[..., AppTest]


def _script(reader, view):  # type: ignore[no-untyped-def] # Streamlit runs its text alone, without our imports
    from ui.app import draw
    from ui.reader import newest
    from ui.views.page import Page

    draw(view, Page(reader, newest(reader.studies())))


@pytest.fixture
def reader(workspace: Path) -> Iterator[Reader]:
    reader = Reader(workspace)
    yield reader
    reader.close()


@pytest.fixture
def empty_reader(tmp_path: Path) -> Iterator[Reader]:
    """The reader of a workspace that does not exist yet."""
    reader = Reader(tmp_path / "none")
    yield reader
    reader.close()


@pytest.fixture
def view() -> View:
    """Draw a view with a reader; return the app that was drawn."""

    def drawn(name: str, reader: Reader, **state: Any) -> AppTest:
        app = AppTest.from_function(_script, args=(reader, name), default_timeout=120)
        for key, value in state.items():
            app.session_state[key.replace("_", " ")] = value
        return app.run()

    return drawn


def said(app: AppTest) -> str:
    """Return everything that an app says, as text."""
    kinds = (
        "title",
        "subheader",
        "markdown",
        "caption",
        "text",
        "info",
        "warning",
        "error",
        "success",
        "code",
        "metric",
    )
    return "\n".join(
        f"{getattr(element, 'label', '')} {element.value}".replace("\\", "")
        for kind in kinds
        for element in getattr(app, kind)
    )
