"""Overview: the studies of the workspace, and how the one that is looked at stands."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from agents.analyst import Analyst
from neuramosaic.analysis.plots import best_so_far_figure
from ui.views.page import REFRESH_S, Page, needs_study


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Overview")
    if not needs_study(page):
        return
    _standing(page)
    st.subheader("Studies")
    _studies(page)


@st.fragment(run_every=REFRESH_S)
def _standing(page: Page) -> None:
    assert page.study is not None
    study, reader = page.study, page.reader
    table = reader.table(study)
    counts = table["state"].value_counts()
    alive = reader.running(study)
    standing = reader.derived(study, "standing", lambda: Analyst().standing(reader.trials(study)))
    st.subheader(study)
    columns = st.columns(4)
    columns[0].metric("State", str(page.record.state) if not alive else "RUNNING")
    done = int(sum(counts.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAILED")))
    columns[1].metric("Trials finished", f"{done} of {len(table)}")
    if standing.best is not None and standing.best.val_loss is not None:
        against = standing.baseline.val_loss if standing.baseline else None
        delta = None if against is None else f"{standing.best.val_loss - against:+.4f} against the baseline"
        columns[2].metric(f"Best val loss ({page.unit})", f"{standing.best.val_loss:.4f}", delta, delta_color="inverse")
        columns[3].metric("Best trial", standing.best.id.rpartition(".")[2])
        st.caption(standing.best.label)
    if page.record.message:
        st.warning(page.record.message)
    figure = reader.derived(study, "best so far", lambda: best_so_far_figure(reader.trials(study), page.unit))
    st.plotly_chart(figure, key="best so far")


def _studies(page: Page) -> None:
    rows = []
    for study in reversed(page.reader.studies()):
        table = page.reader.table(study.id)
        rows.append(
            {
                "study": study.id,
                "state": str(study.state),
                "task": study.config.get("task"),
                "parameters": study.config.get("params"),
                "trials": len(table),
                "best val loss": table["val_loss"].min(),
                "created": study.created[:16].replace("T", " "),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True)
