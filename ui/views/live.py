"""Live session: the graph with the agents at work, what each did last and why, running trials, and the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from neuramosaic.analysis.plots import MUTED, PALETTE
from neuramosaic.store.records import Event, StudyState, TrialRecord, TrialState
from ui.agents_at_work import AGENTS, at_work, graph_dot
from ui.figures import clock, count, duration, seconds_since
from ui.views.page import Page, empty, live, needs_study, plain

#: Running trials that are drawn, and points of each.
SHOWN_TRIALS, POINTS = 12, 200
#: Lines of the journal that can be asked for.
LINES = (100, 500, 2000)


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Live session")
    if not needs_study(page):
        return
    study = str(page.study)
    running = page.reader.running(study)
    _state_line(page, running)
    live(_agents, page, running=running)
    live(_trials, page, running=running)
    _journal_filters(page)
    live(_journal, page, running=running)


def _state_line(page: Page, running: bool) -> None:
    if running:
        st.caption("Running in a process of its own: a closed browser stops nothing. This page follows it.")
        return
    match page.record.state:
        case StudyState.FINISHED:
            st.caption("This study is finished: nothing runs.")
        case StudyState.CREATED:
            empty("This study has not begun: start it on the overview.")
        case _:
            empty("This study does not run: resume it on the overview.")
    if page.record.message:
        st.warning(plain(page.record.message), icon=":material/warning:")


def _agents(page: Page) -> None:
    study, reader = str(page.study), page.reader
    alive = reader.running(study)
    last = reader.derived(study, "last of agents", lambda: reader.last_of_agents(study))
    trials = _running_trials(page) if alive else []
    active = at_work(last, len(trials)) if alive else set()
    state = page.record.state
    picture, cards = st.columns((2, 3))
    with picture:
        st.graphviz_chart(
            graph_dot(
                active,
                ended=state is StudyState.FINISHED and not alive,
                paused=state is StudyState.STOPPED and not alive,
                dark=st.context.theme.type == "dark",
            ),
            width="stretch",
        )
    with cards:
        for agent, task in AGENTS.items():
            _card(agent, task, last.get(agent), agent in active)
    session = last.get("session")
    if session is not None:
        st.caption(plain(f"session: {session.kind} {_ago(session)}, {session.message}"))


def _card(agent: str, task: str, event: Event | None, active: bool) -> None:
    badge = ":blue-badge[at work]" if active else ""
    st.markdown(f"**{agent}** {badge} :small[{task}]")
    if event is None:
        st.text("nothing yet")
        return
    about = f", trial {event.trial.rpartition('.')[2]}" if event.trial else ""
    st.text(f"{event.kind}{about}, {_ago(event)}: {_shortened(event.message)}")


def _shortened(text: str, most: int = 260) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]} ..."


def _ago(event: Event) -> str:
    return f"{duration(seconds_since(event.time))} ago"


def _running_trials(page: Page) -> list[TrialRecord]:
    return [trial for trial in page.reader.outlines(str(page.study)) if trial.state is TrialState.RUNNING]


def _trials(page: Page) -> None:
    study, reader = str(page.study), page.reader
    st.subheader("Running trials")
    trials = _running_trials(page)
    if not reader.running(study):
        left = f"; {len(trials)} were interrupted and begin again with it" if trials else ""
        st.caption(f"No process runs this study{left}.")
        return
    if not trials:
        st.caption("None at this moment: the designer or the coder is at work.")
        return
    curves = {trial.id: reader.points(trial.id, POINTS) for trial in trials[:SHOWN_TRIALS]}
    for trial in trials[:SHOWN_TRIALS]:
        rows = curves[trial.id]
        done = int(rows[-1]["tokens"]) if rows else 0
        loss = next((row["train_loss"] for row in reversed(rows) if row.get("train_loss") is not None), None)
        stage = "verifying" if loss is None else f"train loss {loss:.3f}"
        since = duration(seconds_since(trial.started)) if trial.started else "-"
        head = f"#{trial.number} {trial.source}{' (promoted)' if trial.parent else ''}, {trial.label}"
        share = min(1.0, done / trial.fidelity_tokens)
        told = f"{count(done)} of {count(trial.fidelity_tokens)} tokens, {stage}, {since}"
        st.progress(share, text=f"{plain(head)}  \n{plain(told)}")
    if len(trials) > SHOWN_TRIALS:
        st.caption(f"{len(trials) - SHOWN_TRIALS} more run.")
    if any(curves.values()):
        st.plotly_chart(curves_figure(trials[:SHOWN_TRIALS], curves, page.unit), key="running curves")


def curves_figure(
    trials: Sequence[TrialRecord], curves: Mapping[str, Sequence[Mapping[str, Any]]], unit: str
) -> go.Figure:
    """Return train loss (lines) and val loss (dots) of trials that run against the tokens that they have seen.

    Args:
        trials: The trials.
        curves: Rows of their loss curves, by trial.
        unit: Unit of the loss.
    """
    figure = go.Figure()
    for index, trial in enumerate(trials):
        rows = curves.get(trial.id, ())
        colour = PALETTE[index % len(PALETTE)]
        dash = ("solid", "dash", "dot")[index // len(PALETTE) % 3]
        name = escape(f"#{trial.number} {trial.source}")
        hover = escape(trial.label)
        for key, mode in (("train_loss", "lines"), ("val_loss", "markers")):
            points = [(row["tokens"], row[key]) for row in rows if row.get(key) is not None]
            if not points:
                continue
            figure.add_scatter(
                x=[tokens for tokens, _ in points],
                y=[loss for _, loss in points],
                mode=mode,
                line={"color": colour, "width": 2, "dash": dash},
                marker={"color": colour, "size": 8},
                name=name,
                legendgroup=trial.id,
                showlegend=mode == "lines",
                hovertemplate=f"{hover}<br>%{{x:,}} tokens: %{{y:.4f}}<extra></extra>",
            )
    grid = {"gridcolor": "rgba(128,128,128,0.22)", "zeroline": False, "automargin": True}
    figure.update_layout(
        height=360,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": MUTED},
        xaxis={"title": {"text": "tokens of training (line: train loss, dots: val loss)"}, **grid},
        yaxis={"title": {"text": escape(f"loss ({unit}, lower is better)")}, **grid},
        legend={"orientation": "h", "y": -0.25, "yanchor": "top"},
        uirevision="running",
    )
    return figure


def _journal_filters(page: Page) -> None:
    st.subheader("Journal")
    first, second, third, fourth = st.columns((3, 2, 2, 1))
    first.multiselect("Agents", [*AGENTS, "session"], key="journal agents", placeholder="all")
    second.text_input("Message has", key="journal text")
    third.text_input("Trial", key="journal trial", placeholder="its number")
    fourth.selectbox("Lines", LINES, key="journal lines")


def _journal(page: Page) -> None:
    study, entered = str(page.study), st.session_state
    number = str(entered.get("journal trial", "")).strip().removeprefix("#").rpartition(".")[2]
    events = page.reader.events(
        study,
        last=int(entered.get("journal lines") or LINES[0]),
        trial=f"{study}.{number}" if number else None,
        agents=tuple(entered.get("journal agents") or ()),
        text=str(entered.get("journal text") or "").strip(),
    )
    if not events:
        st.caption("No line of the journal is like this.")
        return
    frame = pd.DataFrame(
        [
            {
                "time": clock(event.time),
                "agent": event.agent,
                "what": event.kind,
                "trial": "" if event.trial is None else f"#{event.trial.rpartition('.')[2]}",
                "message": event.message,
            }
            for event in reversed(events)
        ]
    )
    st.dataframe(
        frame,
        hide_index=True,
        height=420,
        column_config={
            "time": st.column_config.TextColumn(width=80),
            "agent": st.column_config.TextColumn(width=85),
            "what": st.column_config.TextColumn(width=85),
            "trial": st.column_config.TextColumn(width=60),
            "message": st.column_config.TextColumn(width="large"),
        },
    )
