"""trial: still empty."""

from __future__ import annotations

from ui.views.page import Page, empty


def render(page: Page) -> None:
    """Draw the view."""
    empty("This view is not built yet.")
