"""Where the graph goes next. The edges can be read off these signatures."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime

from graph.lab import Lab
from graph.state import StudyState
from neuramosaic.store.records import TrialState


def after_runner(state: StudyState) -> Literal["pause", "analyst"]:
    """Pause if a person asked for it; else look at what finished."""
    return "pause" if state.get("stopping") else "analyst"


def after_analyst(state: StudyState, runtime: Runtime[Lab]) -> Literal["designer", "report"]:
    """Go on until nothing more is proposed and nothing runs."""
    still_open = runtime.context.store.trials(state["study"], (TrialState.WAITING, TrialState.RUNNING))
    return "report" if state.get("exhausted") and not still_open else "designer"
