"""Trials beside each other: curves, architectures, code and cost."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from neuramosaic.analysis.plots import loss_curves_figure
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import TrialRecord
from ui.diagram import diagram
from ui.dossier import code_of
from ui.figures import count, size
from ui.views.charts import chart
from ui.views.page import Page, plain

#: Trials that are compared at once: each has a colour of its own.
MOST = 6
#: Rows of a loss curve that are read.
POINTS = 400


def compare(page: Page, trials: Sequence[str]) -> None:
    """Draw the comparison of some trials, at most `MOST`."""
    records = [page.reader.trial(trial) for trial in trials]
    curves, architectures, code, cost = st.tabs(["Curves", "Architectures", "Code", "Cost"])
    with curves:
        rows = {record.id: page.reader.points(record.id, POINTS) for record in records}
        figure = loss_curves_figure(records, rows, page.unit, highlighted=[record.id for record in records])
        if figure.data:
            chart(figure, "compared curves")
        else:
            st.info("None of these trials has a loss curve yet.", icon=":material/info:")
    with architectures:
        _architectures(page, records)
    with code:
        _code(page, records)
    with cost:
        _cost(page, records)


def _architectures(page: Page, records: Sequence[TrialRecord]) -> None:
    table = pd.DataFrame({record.id: dict(_fields(record.architecture)) for record in records})
    differing = table[table.astype(str).nunique(axis=1, dropna=False) > 1]
    if len(records) > 1:
        st.markdown("**What differs**")
        if differing.empty:
            st.caption("Nothing: it is the same architecture.")
        else:
            st.dataframe(differing.astype(object).where(differing.notna(), "-").astype(str))
    with st.container(horizontal=True, gap="medium"):
        for record in records:
            with st.container(width=360):
                st.markdown(f"**{plain(record.id)}**")
                st.caption(plain(record.label))
                st.image(
                    diagram(Architecture.from_json(record.architecture), vocab_size=page.record.task.get("vocab_size"))
                )


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of an architecture's JSON with their paths."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            step = "" if name == "hyperparameters" else str(name)
            yield from _fields(item, ".".join(part for part in (path, step) if part))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _fields(item, f"{path}[{index}]")
    elif value is not None:
        yield path, value


def _code(page: Page, records: Sequence[TrialRecord]) -> None:
    if len(records) < 2:
        st.info("Tick a second trial to see how its model.py differs.", icon=":material/info:")
        return
    names = [record.id for record in records]
    left, right, way = st.columns(3, vertical_alignment="bottom")
    first = left.selectbox("From", names, index=0, key="diff from")
    second = right.selectbox("To", names, index=1, key="diff to")
    beside = way.toggle("Side by side", key="diff beside")
    try:
        texts = [code_of(page.reader.store, name, page.reader.workspace) for name in (first, second)]
    except NeuraMosaicError as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    if beside:
        for column, name, text in zip(st.columns(2), (first, second), texts, strict=True):
            column.markdown(f"**{plain(name)}**")
            column.code(text, language="python", line_numbers=True, height=560)
        return
    before, after = (text.splitlines() for text in texts)
    lines = list(difflib.unified_diff(before, after, first, second, lineterm=""))
    if not lines:
        st.caption("The two files are equal.")
    else:
        st.code("\n".join(lines), language="diff", height=560)


def _cost(page: Page, records: Sequence[TrialRecord]) -> None:
    rows = {}
    for record in records:
        outcome = record.outcome
        peak, flops = (outcome.peak_memory_bytes, outcome.cost_flops) if outcome else (None, None)
        speed = outcome.metrics.get("tokens_per_second") if outcome else None
        rows[record.id] = {
            f"val loss ({page.unit})": "-" if record.val_loss is None else f"{record.val_loss:.4f}",
            "parameters": f"{record.params:,}",
            "tokens of training": f"{record.fidelity_tokens:,}",
            "floating-point operations": "-" if flops is None else f"{flops:.3g}",
            "FLOPs per token": "-" if flops is None else f"{count(flops / max(record.fidelity_tokens, 1))}",
            "wall time (s)": f"{outcome.seconds:,.1f}" if outcome else "-",
            "tokens per second": "-" if speed is None else f"{speed:,.0f}",
            "peak memory": "-" if peak is None else size(int(peak)),
            "seed": str(record.seed),
            "state": str(record.state),
        }
    st.dataframe(pd.DataFrame(rows))
