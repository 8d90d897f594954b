"""What can be had from a trial: its model.py, an export with the weights, and another run of it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import streamlit as st

from graph.export import WEIGHTS, export_trial
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.store.records import TrialRecord
from ui.dossier import code_of
from ui.reproducing import rerun_of, start_rerun
from ui.views.page import REFRESH_S, Page, guarded, plain


def draw_output(page: Page, record: TrialRecord) -> None:
    """Draw the code of a trial, and the buttons."""
    _export(page, record)
    _rerun(page, record)
    st.markdown("**model.py**")
    try:
        code = code_of(page.reader.store, record.id, page.reader.workspace)
    except NeuraMosaicError as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    st.download_button("model.py", code, "model.py", "text/x-python", icon=":material/download:", on_click="ignore")
    st.code(code, language="python", line_numbers=True, height=620)


def export_zip(page: Page, record: TrialRecord) -> bytes:
    """Return the export of a trial as a zip file.

    Raises:
        NeuraMosaicError: If it cannot be exported.
    """
    with tempfile.TemporaryDirectory(prefix="neuramosaic-export-") as scratch:
        files = export_trial(page.reader.store, record.id, page.reader.workspace, Path(scratch) / record.id)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for file in files:
                kind = zipfile.ZIP_STORED if file.name == WEIGHTS else zipfile.ZIP_DEFLATED
                archive.write(file, f"{record.id}/{file.name}", kind)
        return packed.getvalue()


def _export(page: Page, record: TrialRecord) -> None:
    st.markdown("**Export**: model.py, weights, configuration and a README that runs")
    if record.val_loss is None:
        st.caption(f"Only a COMPLETE trial can be exported; this one is {record.state}.")
        return
    weights = page.reader.workspace / "artifacts" / record.study / str(record.number) / WEIGHTS
    if not weights.is_file():
        st.caption(
            "Its weights are not in the workspace (they are kept of the best trials): run it again to have them."
        )
        return
    st.download_button(
        "Export as zip",
        lambda: export_zip(page, record),
        f"{record.id}.zip",
        "application/zip",
        icon=":material/archive:",
        on_click="ignore",
        type="primary",
    )


def _rerun(page: Page, record: TrialRecord) -> None:
    st.markdown("**Run again**: the same code, data, seed and fidelity; says how far it is off")
    if record.val_loss is None:
        st.caption(f"Only a COMPLETE trial can be reproduced; this one is {record.state}.")
        return
    state = rerun_of(record, page.reader.workspace)
    running = state is not None and state.running
    if st.button("Run it again", icon=":material/replay:", disabled=running, key="run again"):
        start_rerun(record, page.reader.workspace)
        st.rerun()
    st.fragment(guarded(_rerun_state), run_every=REFRESH_S if running else None)(page, record, running)


def _rerun_state(page: Page, record: TrialRecord, was_running: bool) -> None:
    state = rerun_of(record, page.reader.workspace)
    if state is None:
        return
    if was_running and not state.running:
        st.rerun()  # the button is outside this fragment
    if state.running:
        st.info("It runs in a process of its own: this page may be closed.", icon=":material/hourglass_top:")
        return
    if state.result is None:
        st.error("It did not end well. What it said:", icon=":material/error:")
        st.code(state.message or "nothing", language=None, wrap_lines=True)
        return
    result = state.result
    text = (
        f"recorded {result['recorded']:.6f}, measured {result['measured']:.6f} {result['unit']}:"
        f" {result['difference']:+.6f}, tolerance {result['tolerance']:.6f}"
    )
    (st.success if result["matches"] else st.warning)(
        plain(("It is the same: " if result["matches"] else "It is off: ") + text),
        icon=":material/check:" if result["matches"] else ":material/warning:",
    )
    for difference in result.get("differences") or ():
        st.text(f"{difference}")
