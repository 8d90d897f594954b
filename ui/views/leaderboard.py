"""Leaderboard: all trials of a study, to sort, filter, pick and compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui.results import board, digest
from ui.views.charts import downloads, open_trial
from ui.views.comparison import MOST, compare
from ui.views.page import Page, empty, needs_study

#: Height of the table in pixels.
HEIGHT = 460


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Leaderboard")
    if not needs_study(page):
        return
    frame = board(page.reader, str(page.study))
    if frame.empty:
        empty("This study has no trial yet. See how it runs with", f"neuramosaic status {page.study}")
        return
    shown, key = _filtered(page, frame)
    picked = _table(page, shown, key)
    if not picked:
        st.caption(f"Tick up to {MOST} rows on the left to compare their curves, architectures, code and cost.")
        return
    if len(picked) > MOST:
        st.warning(f"{len(picked)} trials are ticked: the first {MOST} are compared.", icon=":material/warning:")
    chosen = picked[:MOST]
    st.divider()
    with st.container(horizontal=True):
        for trial in chosen:
            open_trial(trial, str(page.study), f"Open {trial}", f"open {trial}")
    compare(page, chosen)
    downloads()


def _filtered(page: Page, frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Draw the filters; return the rows that pass, and what is chosen, as a key."""
    table = page.reader.table(str(page.study))
    names = page.reader.derived(
        str(page.study), "component names", lambda: sorted({n for one in table["components"].unique() for n in one})
    )
    levels = sorted(zip(frame["rung"], frame["tokens"], strict=True), reverse=True)
    texts = {f"rung {rung}, {tokens:,} tokens": (rung, tokens) for rung, tokens in dict.fromkeys(levels)}
    first, second, third = st.columns(3)
    states = first.multiselect("State", sorted(frame["state"].unique()), placeholder="All", key="filter state")
    wanted = second.multiselect("Fidelity", list(texts), placeholder="All", key="filter fidelity")
    sources = third.multiselect("Source", sorted(frame["source"].unique()), placeholder="All", key="filter source")
    left, right = st.columns(2)
    components = left.multiselect("Has all of", names, placeholder="Any components", key="filter components")
    text = right.text_input("Text in architecture, reason or id", key="filter text").strip()
    keep = pd.Series(True, index=frame.index)
    if states:
        keep &= frame["state"].isin(states)
    if sources:
        keep &= frame["source"].isin(sources)
    if wanted:
        allowed = [texts[name] for name in wanted]
        keep &= pd.Series([pair in allowed for pair in zip(frame["rung"], frame["tokens"], strict=True)], frame.index)
    if components:
        having = {n for n, one in zip(table["number"], table["components"], strict=True) if set(components) <= set(one)}
        keep &= frame["number"].isin(having)
    if text:
        searched = frame["label"] + " " + frame["reason"] + " " + frame["id"]
        keep &= searched.str.contains(text, case=False, regex=False)
    return frame[keep].reset_index(drop=True), digest(page.study, states, wanted, sources, components, text)


def _table(page: Page, shown: pd.DataFrame, key: str) -> list[str]:
    """Draw the table; return the ids of the rows that are ticked."""
    if shown.empty:
        empty("No trial passes these filters: take one away.")
        return []
    event: Mapping[str, Any] = st.dataframe(
        shown,
        hide_index=True,
        height=HEIGHT if len(shown) > 12 else "auto",
        column_config=_columns(page.unit),
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="-",
        key=f"board {key}",
    )
    one, other = st.columns((3, 1), vertical_alignment="center")
    one.caption(
        f"{len(shown):,} trials; the highest fidelity first, then the lowest loss. Losses of different fidelities"
        " cannot be compared. Difference: from the baseline at the same fidelity with the same seed; negative is"
        " better."
    )
    other.download_button(
        "CSV",
        lambda: shown.to_csv(index=False),
        f"{page.study}-trials.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    rows: Sequence[int] = event["selection"]["rows"]
    return [str(shown["id"].iloc[row]) for row in rows if row < len(shown)]


def _columns(unit: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "number": column.NumberColumn("#", width="small", pinned=True),
        "state": column.TextColumn("state", width="small"),
        "loss": column.NumberColumn("val loss", help=f"{unit}, lower is better", format="%.4f"),
        "difference": column.NumberColumn("difference", help="from the baseline; negative is better", format="%+.4f"),
        "components": column.TextColumn("components", width="medium"),
        "params": column.NumberColumn("params", format="localized"),
        "tokens": column.NumberColumn("tokens", format="localized", help="of training"),
        "seconds": column.NumberColumn("seconds", format="%.1f", help="wall time"),
        "flops": column.NumberColumn("FLOPs", format="compact", help="of the training"),
        "label": column.TextColumn("architecture", width="medium"),
        "reason": column.TextColumn("reason", help="why it failed or was pruned", width="medium"),
        "id": column.TextColumn("id"),
    }
