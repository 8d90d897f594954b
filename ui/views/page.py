"""What every view of the app is given, and the few elements that they share."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

import streamlit as st

from neuramosaic.errors import NeuraMosaicError
from neuramosaic.store.records import StudyRecord
from ui.reader import Reader

P = ParamSpec("P")
_log = logging.getLogger(__name__)

#: How often a view of a running study looks again, in seconds.
REFRESH_S = 2.0


@dataclass(frozen=True)
class Page:
    """Where a view draws from.

    Attributes:
        reader: Of the workspace.
        study: The study that is looked at; None while the workspace has none.
    """

    reader: Reader
    study: str | None

    @property
    def record(self) -> StudyRecord:
        """The study."""
        assert self.study is not None
        return self.reader.study(self.study)

    @property
    def unit(self) -> str:
        """Unit of its val loss."""
        return str(self.record.task.get("unit", "nats per token"))


def guarded(drawing: Callable[P, None]) -> Callable[P, None]:
    """Return a drawing function that says what goes wrong in a line, in the place of a traceback.

    A fragment is run without its view: it needs a guard of its own.
    """

    @functools.wraps(drawing)
    def guard(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            drawing(*args, **kwargs)
        except NeuraMosaicError as error:
            say_error(str(error))
        except Exception as error:  # noqa: BLE001 - the last place where an error can become one line
            _log.exception("a view could not be drawn")
            say_error(f"This could not be drawn, which is a bug ({type(error).__name__}): {error}")

    return guard


def say_error(text: str) -> None:
    """Say what went wrong."""
    st.error(plain(text), icon=":material/error:")


def live(drawing: Callable[[Page], None], page: Page, *, running: bool) -> None:
    """Draw a part of a view that is drawn again every `REFRESH_S` seconds while the study runs."""
    st.fragment(guarded(drawing), run_every=REFRESH_S if running else None)(page)


def empty(text: str, command: str | None = None) -> None:
    """Say that there is nothing to show, and what would change that."""
    st.info(text, icon=":material/info:")
    if command is not None:
        st.code(command, language="shell")


def needs_study(page: Page) -> bool:
    """Return whether there is a study to show; say what to do if not."""
    if page.study is None:
        empty("This workspace has no study yet. Start one in the chat, or with", "neuramosaic run --trials 8")
        return False
    return True


def plain(text: object) -> str:
    """Return text of papers, models and people so that Streamlit's Markdown shows it as it is."""
    escaped = "".join("\\" + letter if letter in "\\`*_{}[]()<>#+-.!|$~:^=&" else letter for letter in str(text))
    return escaped.replace("\n", "  \n")
