"""Overview: the studies of the workspace, how the chosen one stands, and what starts, stops and resumes one."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from agents.analyst import Analyst
from neuramosaic.analysis.plots import best_so_far_figure
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import StudyState
from neuramosaic.study import StudyConfig
from ui.estimate import seconds_left, total_trials
from ui.figures import count, duration, moment, seconds_since
from ui.views.page import Page, empty, live, plain
from ui.views.starting import begin, start_form

FINAL = ("COMPLETE", "PRUNED", "FAILED")


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Overview")
    if page.study is None:
        empty("This workspace has no study yet: start one here, in the chat, or with", "neuramosaic run --trials 8")
        start_form(page, expanded=True)
        return
    running = page.reader.running(page.study)
    heading, buttons = st.columns((3, 2), vertical_alignment="center")
    heading.subheader(page.study)
    with buttons:
        _buttons(page, running)
    live(_standing, page, running=running)
    st.subheader("Studies")
    live(_studies, page, running=running)
    start_form(page, expanded=False)


def _buttons(page: Page, running: bool) -> None:
    """Draw what can be done with the study as it stands."""
    study, workspace, state = str(page.study), page.reader.workspace, page.record.state
    stopping = any(command.kind == "stop" for command in page.reader.store.pending_commands(study))
    with st.container(horizontal=True, horizontal_alignment="right"):
        if running:
            label = "Stopping ..." if stopping else "Stop"
            if st.button(label, icon=":material/stop:", disabled=stopping, help="In good order: finished trials stay."):
                from graph.control import request_stop

                request_stop(study, workspace)
                st.rerun()
        elif state is StudyState.FINISHED:
            with st.popover("More trials", icon=":material/add:"):
                _extend(page)
        else:
            verb = "Start" if state is StudyState.CREATED else "Resume"
            if st.button(verb, icon=":material/play_arrow:", type="primary"):
                begin(study, workspace)
                st.rerun()


def _extend(page: Page) -> None:
    had = int(page.record.config["trials"])
    wanted = st.number_input("Architectures in all", min_value=had, value=had + 8, step=1, key="more trials")
    if st.button("Go on", type="primary", disabled=wanted == had):
        from graph.session import extend_study

        extend_study(str(page.study), page.reader.workspace, {"trials": int(wanted)})
        begin(str(page.study), page.reader.workspace)
        st.rerun()


def _standing(page: Page) -> None:
    study, reader = str(page.study), page.reader
    record, alive = page.record, reader.running(study)
    if st.session_state.get(f"{study} alive") not in (None, alive):
        st.session_state[f"{study} alive"] = alive
        st.rerun()  # the buttons are outside this fragment
    st.session_state[f"{study} alive"] = alive
    config = StudyConfig.from_mapping(record.config)
    trials, table = reader.outlines(study), reader.table(study)
    counts = table["state"].value_counts()
    done = int(sum(counts.get(state, 0) for state in FINAL))
    total = done if record.state is StudyState.FINISHED and not alive else total_trials(config, trials)
    standing = reader.derived(study, "standing", lambda: Analyst().standing(trials))
    state = "RUNNING" if alive else ("INTERRUPTED" if record.state is StudyState.RUNNING else str(record.state))
    facts = [
        str(config.task),
        f"{count(config.params)} parameters each",
        config.sampler,
        f"language model: {config.llm}",
    ]
    st.caption(plain(" · ".join(facts)))
    if record.message:
        st.warning(plain(record.message), icon=":material/warning:")
    if state == "INTERRUPTED":
        st.warning("The process that ran this study is gone. Resume goes on where it was.", icon=":material/warning:")
    left = None
    if alive:
        started = [seconds_since(trial.started) for trial in trials if trial.state == "RUNNING" and trial.started]
        left = seconds_left(config, trials, sum(started), max(config.workers or 1, len(started)))
    st.progress(min(1.0, done / total) if total else 0.0, text=_progress_text(counts, done, total, left))
    columns = st.columns(4)
    columns[0].metric("State", state)
    best, baseline = standing.best, standing.baseline
    loss = None if best is None else best.val_loss
    against = None
    if loss is not None and baseline is not None and baseline.val_loss is not None:
        against = f"{loss - baseline.val_loss:+.4f} against the baseline"
    columns[1].metric(
        f"Best val loss ({page.unit})", "-" if loss is None else f"{loss:.4f}", against, delta_color="inverse"
    )
    columns[2].metric("Best trial", "-" if best is None else f"#{best.number}")
    at = standing.fidelity_tokens
    columns[3].metric("Compared at", "-" if at is None else f"{count(at)} tokens")
    if best is not None:
        st.caption(plain(best.label))
    st.markdown("**Cost so far**")
    _cost(page, table)
    if done:
        figure = reader.derived(study, "best so far", lambda: _steps_only(best_so_far_figure(trials, page.unit)))
        st.plotly_chart(figure, key="best so far")
    else:
        empty("No trial has finished yet: the best so far is drawn here.")


def _steps_only(figure: go.Figure) -> go.Figure:
    """Return a figure of step lines without the points at which a line only goes on: 20,000 trials have few steps."""
    for trace in figure.data:
        ys = list(trace.y)
        kept = [place for place, y in enumerate(ys) if place in (0, len(ys) - 1) or y != ys[place - 1]]
        trace.update(x=[trace.x[place] for place in kept], y=[ys[place] for place in kept])
        if trace.text is not None and not isinstance(trace.text, str):
            trace.update(text=[trace.text[place] for place in kept])
    return figure


def _progress_text(counts: pd.Series, done: int, total: int, left: float | None) -> str:
    parts = [f"{done} of {total} trials finished"]
    for state, word in (("RUNNING", "running"), ("FAILED", "failed"), ("PRUNED", "pruned")):
        if counts.get(state, 0):
            parts.append(f"{counts[state]} {word}")
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def _cost(page: Page, table: pd.DataFrame) -> None:
    """Draw what the study has used so far."""
    spent = Ledger(page.reader.store).spent(page.study)
    flops = float(table["cost_flops"].sum())
    columns = st.columns(4)
    columns[0].metric("Trial time", duration(float(table["seconds"].sum())), help="Of all trials together.")
    columns[1].metric("Training", f"{flops:.3g} FLOPs" if flops else "-", help="Floating-point operations.")
    columns[2].metric("Language model", f"{count(spent.tokens)} tokens", help=f"{spent.calls} calls, in and out.")
    price = f"{spent.usd:.4f} USD" if spent.usd else ("no price known" if spent.unpriced else "0 USD")
    columns[3].metric("Price", price, help="At list price, as counted against the cap.")


def _studies(page: Page) -> None:
    rows = page.reader.store.rows(
        "SELECT study, count(*) AS trials, sum(finish_order IS NOT NULL) AS finished, min(val_loss) AS best"
        " FROM trials GROUP BY study"
    )
    found = {row["study"]: row for row in rows}
    listed = [
        {
            "study": study.id,
            "state": "RUNNING" if page.reader.running(study.id) else str(study.state),
            "task": str(study.config.get("task", "")).rpartition("/")[2],
            "parameters": study.config.get("params"),
            "trials": found.get(study.id, {}).get("trials", 0),
            "finished": found.get(study.id, {}).get("finished", 0),
            "best val loss": found.get(study.id, {}).get("best"),
            "unit": study.task.get("unit", ""),
            "created": moment(study.created)[:16],
        }
        for study in reversed(page.reader.studies())
    ]
    frame = pd.DataFrame(listed)
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            "parameters": st.column_config.NumberColumn(format="localized"),
            "best val loss": st.column_config.NumberColumn(format="%.4f", help="At any fidelity."),
        },
    )
