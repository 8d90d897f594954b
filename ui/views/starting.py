"""The form that starts a study: what is asked for, what it will cost, and the start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import streamlit as st

from neuramosaic.errors import NeuraMosaicError
from neuramosaic.study import StudyConfig, parse_count
from neuramosaic.tasks.registry import task_names
from ui.forecast import forecast
from ui.views.page import Page, plain, say_error

LLMS = ("none", "local", "openai")
SANDBOXES = ("auto", "docker", "bubblewrap", "process")
#: Processes that this one has started: asked for their status now and then, so that none that ended stays a zombie.
_begun: list[subprocess.Popen[bytes]] = []
SAMPLERS = ("bayes", "evolution", "random", "sobol")


def begin(study: str, workspace: Path) -> None:
    """Start or resume a study in a process of its own.

    Raises:
        UsageError: If a process runs it already.
    """
    from graph.control import launch

    _begun[:] = [process for process in _begun if process.poll() is None]
    _begun.append(launch(study, workspace))


def start_form(page: Page, *, expanded: bool) -> None:
    """Draw the form; its estimate follows what is entered.

    Args:
        page: Where it is drawn.
        expanded: Whether it is open from the beginning.
    """
    with st.expander("Start a study", expanded=expanded, icon=":material/add_circle:"):
        _form(page)


def _form(page: Page) -> None:
    asked = _entered()
    try:
        config = StudyConfig.from_mapping(asked)
    except (NeuraMosaicError, ValueError) as error:
        say_error(str(error))
        return
    earlier = [
        trial
        for study in page.reader.studies()[-8:]
        if study.config.get("task") == config.task
        for trial in page.reader.outlines(study.id)
    ]
    expected = forecast(config, earlier, config.workers or usual_workers())
    st.info("  \n".join(plain(line) for line in expected.lines()), icon=":material/timer:")
    if config.sandbox == "process":
        st.warning("The backend 'process' confines nothing: models run as you.", icon=":material/warning:")
    if st.button("Start the study", type="primary", icon=":material/play_arrow:"):
        _start(page, config)


def _entered() -> dict[str, Any]:
    first, second = st.columns(2)
    names = [name for name in task_names() if not name.endswith(":FILE")]
    task = first.selectbox(
        "Task",
        names,
        index=names.index("python-code") if "python-code" in names else 0,
        accept_new_options=True,
        help="Or text:FILE, a text file of your own: type it.",
    )
    params = first.text_input("Parameters of every model", "300k", help="Such as 300k or 1.5M: size never wins.")
    trials = first.number_input("Architectures", 1, 100_000, 8, help="Proposed besides the baseline.")
    tokens = first.text_input("Training tokens at the first rung", "196608", help="Such as 131k.")
    hours = second.number_input("Hours, at most", 0.0, None, 0.0, step=0.5, help="0: no limit.")
    llm = second.selectbox("Language model", LLMS, help="none leaves every decision to the algorithms.")
    model = second.text_input("Model", help="openai: by its name.") if llm == "openai" else ""
    usd = second.number_input("USD, at most", 0.0, None, 1.0, step=0.5, help="0: no cap.") if llm == "openai" else 0.0
    sandbox = second.selectbox("Sandbox", SANDBOXES, help="Where models are verified and trained.")
    sampler = second.selectbox("Sampler", SAMPLERS)
    seed = second.number_input("Seed", 0, None, 0)
    given = {
        "task": task or "python-code",
        "params": params.strip(),
        "trials": int(trials),
        "tokens": tokens.strip(),
        "max_hours": hours or None,
        "llm": llm,
        "llm_model": model.strip() or None,
        "max_usd": usd or None,
        "sandbox": sandbox,
        "sampler": sampler,
        "seed": int(seed),
    }
    for name in ("params", "tokens"):
        try:
            parse_count(str(given[name]))
        except ValueError as error:
            say_error(f"{name}: {given[name]!r} is no count: {error}")
            given[name] = None
    return {name: value for name, value in given.items() if value is not None}


def _start(page: Page, config: StudyConfig) -> None:
    from graph.session import create_study

    with st.spinner("Preparing the task's data and the space ..."):
        study = create_study(config, page.reader.workspace)
        begin(study, page.reader.workspace)
    st.session_state["study kept"] = study
    st.query_params["study"] = study
    st.session_state.pop("study", None)
    st.rerun()


def usual_workers() -> int:
    """Return how many trials are trained at once where nothing is said."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, 2), processors // 2)
