"""Papers in: the form, and how the runs go. They are processes of their own: a closed page stops none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from agents.paper_reader.plain import plain as one_line
from ui.figures import moment
from ui.ingest_runs import IngestRun, ingest_runs, keep_upload, start_ingest
from ui.views.page import Page, empty, live, plain

LLMS = ("none", "local", "openai")


def draw_ingest(page: Page) -> None:
    """Draw the form and the runs."""
    with st.form("ingest", clear_on_submit=True):
        text = st.text_area(
            "arXiv ids or a search, one a line",
            placeholder='2312.06635\ncat:cs.LG AND abs:"linear attention"',
            height=100,
        )
        files = st.file_uploader("PDF files", type="pdf", accept_multiple_files=True)
        first, second, third = st.columns(3)
        llm = first.selectbox("Who reads and writes", LLMS, help="none: papers are indexed, nobody is asked.")
        most = second.number_input("Papers of each search, at most", 1, 2000, 10)
        usd = third.number_input("USD, at most", 0.0, None, 1.0, step=0.5, help="openai only; 0: no cap.")
        write = st.checkbox("Have components written and verified", value=True, help="Needs a language model.")
        sent = st.form_submit_button("Ingest", type="primary", icon=":material/upload_file:")
    if sent:
        page.reader.create()
        workspace = page.reader.workspace
        uploaded = [str(keep_upload(workspace, file.name, file.getvalue())) for file in files or ()]
        run = start_ingest(
            workspace,
            [*text.splitlines(), *uploaded],
            {
                "llm": llm,
                "max": int(most),
                "max-usd": usd if llm == "openai" and usd else None,
                "no-write": not write,
            },
        )
        st.toast(f"Run {run.number} has begun: it goes on without this page.")
    live(_runs, page, running=any(run.running for run in ingest_runs(page.reader.workspace)))


def _runs(page: Page) -> None:
    runs = ingest_runs(page.reader.workspace)
    if not runs:
        empty("No paper was ingested from here yet. What the command line ingests is under Papers.")
        return
    alive = sum(run.running for run in runs)
    if st.session_state.get("ingest alive", alive) != alive:
        st.session_state["ingest alive"] = alive
        st.rerun()  # so that the page stops looking, and other parts see the new papers
    st.session_state["ingest alive"] = alive
    for run in runs[:10]:
        _draw_run(run)
    if len(runs) > 10:
        st.caption(f"{len(runs) - 10} older runs are kept in the workspace.")


def _draw_run(run: IngestRun) -> None:
    records, progress = run.records, run.progress
    ended = "running" if run.running else "done" if records else "ended without a result"
    what = one_line(", ".join(run.references), 120)
    icon = ":material/hourglass_top:" if run.running else ":material/check:" if records else ":material/error:"
    label = plain(f"Run {run.number}: {what} ({ended}, {moment(run.asked)[:16]})")
    with st.expander(label, expanded=run.running or not records, icon=icon):
        if records:
            st.dataframe(pd.DataFrame([_row(record) for record in records]), hide_index=True)
        if run.running:
            st.caption("It goes on without this page.")
        if progress:
            st.code("\n".join(one_line(line, 400) for line in progress[-12:]), language=None, wrap_lines=True)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    components = []
    for item in record.get("components", ()):
        verified = "" if "verified" not in item else ", verified" if item["verified"] else ", not verified"
        components.append(f"{item.get('slot')} {item.get('name')} ({item.get('relation')}{verified})")
    nearest = [f"{item.get('name')} ({item.get('similarity', 0):.2f})" for item in record.get("nearest", ())[:3]]
    return {
        "status": record.get("status"),
        "paper": record.get("paper") or record.get("ref"),
        "title": one_line(str(record.get("title", "")), 200),
        "pages": record.get("pages"),
        "passages": record.get("chunks"),
        "components": "; ".join(components),
        "nearest": ", ".join(nearest),
        "message": one_line(str(record.get("message", "")), 400),
    }
