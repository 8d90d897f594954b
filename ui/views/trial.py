"""Trial: everything that is known of one, what led to it, and what can be had from it."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from neuramosaic.analysis.plots import loss_curves_figure
from neuramosaic.store.records import TrialRecord
from ui.figures import clock, count, duration, moment, size
from ui.results import board
from ui.views.charts import chart, downloads
from ui.views.page import Page, empty, needs_study, plain
from ui.views.trial_design import draw_design
from ui.views.trial_origin import draw_origin
from ui.views.trial_output import draw_output

#: Trials that can be jumped to, and lines of the journal.
LEADING, EVENTS = 30, 100


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Trial")
    if not needs_study(page):
        return
    number = _chosen(page)
    if number is None:
        empty("This study has no trial yet. See how it runs with", f"neuramosaic status {page.study}")
        return
    record = page.reader.trial(f"{page.study}.{number}")
    _head(page, record)
    sections = {
        "Architecture": draw_design,
        "Curves": _curves,
        "Checks": _checks,
        "Where it came from": draw_origin,
        "Journal": _journal,
        "Code and weights": draw_output,
    }
    # Not tabs: a tab draws what it does not show.
    chosen = st.segmented_control("Show", list(sections), default="Architecture", required=True, key="trial part")
    sections[str(chosen)](page, record)


def _chosen(page: Page) -> int | None:
    """Let the person choose a trial; the address keeps the choice."""
    frame = board(page.reader, str(page.study))
    if frame.empty:
        return None
    last = int(frame["number"].max())
    asked = str(st.query_params.get("trial") or st.session_state.get("trial") or "")
    given = re.fullmatch(rf"{re.escape(str(page.study))}\.(\d+)", asked)
    start = int(given[1]) if given and int(given[1]) <= last else int(frame["number"].iloc[0])
    if st.session_state.get("trial shown") != (page.study, start):
        # What the address says wins over what the box last held; then the box leads.
        st.session_state["trial number"] = start
        st.session_state["trial shown"] = (page.study, start)
    if "trial number" not in st.session_state:
        st.session_state["trial number"] = start
    st.session_state["trial number"] = min(int(st.session_state["trial number"]), last)
    left, right = st.columns((1, 3))
    leading = frame[frame["loss"].notna()].head(LEADING)
    texts = {
        int(number): f"#{number}  {loss:.4f}  {label}"
        for number, loss, label in zip(leading["number"], leading["loss"], leading["label"], strict=True)
    }
    right.selectbox(
        "Leading trials", list(texts), index=None, format_func=lambda n: texts[n],
        placeholder="Jump to one of the best",        key="trial jump", on_change=_jump,
    )  # fmt: skip
    number = int(left.number_input(f"Number, 0 to {last}", min_value=0, max_value=last, step=1, key="trial number"))
    trial = f"{page.study}.{number}"
    st.session_state["trial"] = st.query_params["trial"] = trial
    st.session_state["trial shown"] = (page.study, number)
    return number


def _jump() -> None:
    number = st.session_state.get("trial jump")
    if number is not None:
        st.session_state["trial number"] = number
        st.session_state["trial jump"] = None


def _head(page: Page, record: TrialRecord) -> None:
    outcome = record.outcome
    st.subheader(record.id)
    st.caption(plain(record.label))
    if outcome and outcome.reason:
        st.error(plain(outcome.reason), icon=":material/error:")
    frame = board(page.reader, str(page.study))
    against = frame.loc[frame["number"] == record.number, "difference"].iloc[0]
    is_baseline = record.source == "baseline"
    delta = None if pd.isna(against) or is_baseline else f"{against:+.4f} against the baseline"
    loss = "-" if record.val_loss is None else f"{record.val_loss:.4f}"
    with st.container(horizontal=True, gap="large"):
        st.metric(f"Val loss ({page.unit})", loss, delta, delta_color="inverse", width="content")
        st.metric("State", str(record.state), width="content")
        st.metric("Tokens", f"{count(record.fidelity_tokens)} (rung {record.rung})", width="content")
    facts = [f"{record.params:,} parameters", f"seed {record.seed}", f"proposed by {record.source}"]
    if outcome:
        facts.append(duration(outcome.seconds))
        if outcome.peak_memory_bytes is not None:
            facts.append(f"{size(int(outcome.peak_memory_bytes))} peak memory")
        if outcome.cost_flops is not None:
            facts.append(f"{count(outcome.cost_flops)} floating-point operations of training")
    st.caption(plain(" · ".join(facts)))


def _curves(page: Page, record: TrialRecord) -> None:
    rows = page.reader.points(record.id, 400)
    figure = loss_curves_figure([record], {record.id: rows}, page.unit, highlighted=[record.id])
    if figure.data:
        chart(figure, "curve")
        frame = pd.DataFrame(page.reader.curve(record.id))
        st.download_button(
            "CSV", frame.to_csv(index=False), f"{record.id}-curve.csv", "text/csv", icon=":material/download:"
        )
        downloads()
    else:
        empty("No loss was recorded: it has not begun to train, or failed before.")
    if record.outcome and record.outcome.metrics:
        metrics = pd.DataFrame({"metric": list(record.outcome.metrics), "value": list(record.outcome.metrics.values())})
        st.dataframe(metrics, hide_index=True, column_config={"value": st.column_config.NumberColumn(format="%.5g")})


def _checks(page: Page, record: TrialRecord) -> None:
    checks = record.outcome.verification if record.outcome else ()
    if not checks:
        empty("It has not been checked yet.")
        return
    passed = sum(bool(check.get("passed")) for check in checks)
    st.caption(f"{passed} of {len(checks)} passed: the ladder before training, then the audit of the trained model.")
    frame = pd.DataFrame(
        {
            "check": str(check.get("name")),
            "part": "audit" if str(check.get("name")).startswith("audit") else "ladder",
            "passed": bool(check.get("passed")),
            "message": str(check.get("message") or ""),
            "seconds": check.get("seconds"),
        }
        for check in checks
    )
    st.dataframe(frame, hide_index=True, column_config={"seconds": st.column_config.NumberColumn(format="%.2f")})
    st.markdown("**Environment**")
    environment = record.outcome.environment if record.outcome else {}
    if environment:
        flat = {name: str(value) for name, value in environment.items()}
        st.dataframe(pd.DataFrame({"what": list(flat), "value": list(flat.values())}), hide_index=True)
    else:
        st.caption("Not recorded.")


def _journal(page: Page, record: TrialRecord) -> None:
    events = page.reader.events(record.study, trial=record.id, last=EVENTS)
    st.caption(
        f"created {moment(record.created)}, started {moment(record.started)}, finished {moment(record.finished)}"
    )
    if not events:
        empty("The journal has nothing of this trial.")
        return
    frame = pd.DataFrame(
        {"time": clock(event.time), "agent": event.agent, "what": event.kind, "message": event.message}
        for event in events
    )
    st.dataframe(frame, hide_index=True, column_config={"message": st.column_config.TextColumn(width="large")})
