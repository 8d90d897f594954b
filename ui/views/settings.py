"""Settings: the workspace, keys and models, versions, and what `doctor` finds on this machine."""

from __future__ import annotations

import importlib.metadata
import platform

import pandas as pd
import streamlit as st

from ui.diagnosis import LIBRARIES, Finding, can_run, examine
from ui.figures import size
from ui.views.page import Page, guarded, plain

#: Seconds that a diagnosis is shown before it is made anew.
KEPT_S = 600
ICONS = {"ok": ":material/check_circle:", "missing": ":material/error:", "note": ":material/info:"}


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Settings")
    st.subheader("Workspace")
    _workspace(page)
    st.subheader("Language models")
    _models()
    st.subheader("This machine")
    st.fragment(guarded(_doctor))(page)
    st.subheader("Versions")
    _versions()


def _workspace(page: Page) -> None:
    reader = page.reader
    st.code(str(reader.workspace), language=None, wrap_lines=True)
    if not reader.exists:
        st.caption("There is nothing in it yet: the first study makes it.")
        return
    counts = reader.store.rows(
        "SELECT (SELECT count(*) FROM studies) AS studies, (SELECT count(*) FROM trials) AS trials,"
        " (SELECT count(*) FROM papers WHERE NOT builtin) AS papers,"
        " (SELECT count(DISTINCT slot || name) FROM components) AS components, (SELECT count(*) FROM calls) AS calls"
    )[0]
    columns = st.columns(5)
    for column, (name, number) in zip(columns, counts.items(), strict=True):
        column.metric("model calls" if name == "calls" else name, f"{number:,}")
    st.caption(f"Its database has {size(reader.store.path.stat().st_size)}.")
    st.caption("Another workspace is chosen where the app is started: neuramosaic ui \\-\\-workspace DIR")


def _models() -> None:
    from agents.llm.keys import KEY_VARIABLE, api_key
    from agents.llm.openai import DEFAULT_MODEL, OPENAI_URL, URL_VARIABLE, configured_url
    from agents.llm.weights import PARTS, installed_parts

    own_server = configured_url() != OPENAI_URL
    parts = len(installed_parts())
    rows = [
        {"what": "key of OpenAI or a compatible server", "variable": KEY_VARIABLE, "state": _present(bool(api_key()))},
        {"what": "address of a compatible server", "variable": URL_VARIABLE, "state": _present(own_server)},
        {"what": "model of 'openai' where none is named", "variable": "", "state": DEFAULT_MODEL},
        {"what": "local model (llama.cpp)", "variable": "", "state": _local(parts, PARTS)},
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption("Keys are read from the environment at each call. They are never stored, and never shown.")


def _present(present: bool) -> str:
    return "set" if present else "not set"


def _local(parts: int, of: int) -> str:
    try:
        version = importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return "not installed: make local-llm"
    return f"xllamacpp {version}, {parts} of {of} parts of the model"


@st.cache_data(ttl=KEPT_S, show_spinner="Looking at this machine (some seconds) ...")
def _examined(workspace: str) -> list[Finding]:
    from pathlib import Path

    return examine(Path(workspace))


def _doctor(page: Page) -> None:
    if st.button("Look again", icon=":material/refresh:"):
        _examined.clear()
    findings = _examined(str(page.reader.workspace))
    if can_run(findings):
        st.success("Studies can run here.", icon=ICONS["ok"])
    else:
        st.error("No study can run here: see what is missing.", icon=ICONS["missing"])
    for finding in findings:
        if finding.status != "ok":
            show = st.error if finding.status == "missing" and finding.needed else st.warning
            remedy = f"  \n{plain(finding.remedy)}" if finding.remedy else ""
            show(f"**{plain(finding.name)}**: {plain(finding.detail)}{remedy}", icon=ICONS[finding.status])
    with st.expander(f"All {len(findings)} findings"):
        rows = [
            {"": found.status, "what": found.name, "found": found.detail, "what to do": found.remedy}
            for found in findings
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def _versions() -> None:
    rows = [{"package": "python", "version": platform.python_version()}]
    for name in ("neuramosaic", *LIBRARIES):
        try:
            rows.append({"package": name, "version": importlib.metadata.version(name)})
        except importlib.metadata.PackageNotFoundError:
            rows.append({"package": name, "version": "not installed"})
    st.dataframe(pd.DataFrame(rows), hide_index=True)
