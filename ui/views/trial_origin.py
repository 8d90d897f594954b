"""Where a trial came from: who proposed it and why, the trials before it, and how its written components came to be."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from agents.paper_reader.plain import plain as one_line
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.store.ledger import Call, Ledger
from neuramosaic.store.records import ComponentRecord, TrialRecord, WritingRecord
from ui.figures import duration
from ui.paper_chain import paper_facts, reading_calls
from ui.provenance import prediction, written_components
from ui.views.charts import open_trial
from ui.views.page import Page, plain


def draw_origin(page: Page, record: TrialRecord) -> None:
    """Draw where a trial came from."""
    st.markdown(f"**Proposed by {plain(record.source)}**, after {record.after} finished trials")
    for name, text in prediction(record, page.unit).items():
        st.text(f"{name}: {one_line(text, 800)}")
    _lineage(page, record)
    _calls(Ledger(page.reader.store).calls(record.study, trial=record.id), "What a language model was asked for it")
    written = list(written_components(page.reader.store, record))
    st.markdown("**Written components**")
    if not written:
        st.caption("None: all of its components are of the catalogue, or were added by a person.")
    for component, writing in written:
        _component(page, component, writing)


def _lineage(page: Page, record: TrialRecord) -> None:
    st.markdown("**Same design, other fidelities**")
    others = [t for t in page.reader.outlines(record.study) if t.architecture_id == record.architecture_id]
    others.sort(key=lambda trial: (trial.rung, trial.number))
    if len(others) < 2:
        st.caption("No other trial has this architecture.")
        return
    frame = pd.DataFrame(
        {
            "trial": trial.id,
            "promoted from": trial.parent or "",
            "rung": trial.rung,
            "tokens": trial.fidelity_tokens,
            "seed": trial.seed,
            "state": str(trial.state),
            "val loss": trial.val_loss,
        }
        for trial in others
    )
    st.dataframe(frame, hide_index=True, column_config={"val loss": st.column_config.NumberColumn(format="%.4f")})
    with st.container(horizontal=True):
        for trial in [other for other in others if other.id != record.id][:6]:
            open_trial(trial.id, record.study, f"Open {trial.id}", f"lineage {trial.id}")


def _component(page: Page, component: ComponentRecord, writing: WritingRecord) -> None:
    store = page.reader.store
    with st.expander(
        plain(f"{component.slot} {component.name}, version {component.version}"), icon=":material/extension:"
    ):
        by_rule = writing.depth == "equations"
        who = (
            "read by rule from the equations of its card"
            if by_rule
            else f"written by {writing.model} ({writing.depth})"
        )
        st.text(f"{who} in {writing.attempts} attempts, {writing.tokens:,} tokens, {duration(writing.seconds)}")
        if why := writing.proposal.get("why"):
            st.text(f"asked for because: {one_line(str(why), 800)}")
        facts = paper_facts(store, writing)
        if facts is not None:
            _paper(facts)
        st.markdown("Card")
        st.code(writing.card, language="yaml")
        st.markdown("Code")
        try:
            from neuramosaic.store.code import CodeRepository

            code = CodeRepository(page.reader.workspace / "code").read(component.commit, "component.py")
            st.code(code, language="python", height=320)
        except NeuraMosaicError as error:
            st.caption(plain(str(error)))
        for failure in writing.failures:
            st.text(f"failed {failure['check']}: {one_line(failure['message'], 400)}")
        calls = [*reading_calls(store, writing), *Ledger(store).calls(writing.study, trial=writing.id)]
        _calls(calls, "What a language model was asked")


def _paper(facts: dict[str, Any]) -> None:
    st.text(f"paper {facts['paper']}: {one_line(str(facts['title']), 300)} (relation: {facts['relation']})")
    evidence: dict[str, Any] = dict(facts["evidence"] or {})
    if not evidence:
        return
    rows = [
        {
            "field of the card": name,
            "page": item.get("page"),
            "passage": item.get("passage"),
            "quote": one_line(str(item.get("quote", "")), 300),
        }
        for name, item in evidence.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _calls(calls: list[Call], title: str) -> None:
    if not calls:
        return
    st.markdown(f"**{title}**")
    for index, call in enumerate(calls):
        counted = "" if call.tokens_out is None else f", {call.tokens_in} + {call.tokens_out} tokens"
        heading = (
            f"{index + 1}. {call.prompt} {call.prompt_version}: {call.outcome}{counted}, {duration(call.latency_s)}"
        )
        st.text(heading)
        parts = [f"--- {message.get('role', '')}\n{message.get('content', '')}" for message in call.messages]
        parts.append(f"--- answer of {call.model}\n{call.answer or call.message}")
        st.code("\n\n".join(parts), language=None, wrap_lines=True, height=260)
