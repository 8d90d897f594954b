"""The chain from a passage of a paper to what its component did: passage, card, component, trials, effect."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from agents.paper_reader.plain import plain as one_line
from neuramosaic.errors import StoreError
from neuramosaic.store.components import SOURCE as SOURCE_FILE
from neuramosaic.store.records import ComponentRecord, WritingRecord, WritingState
from neuramosaic.store.writings import Writings
from ui.paper_chain import SOURCE, effect_in
from ui.views.page import Page, empty, plain

#: Trials of a study that are listed.
LISTED = 200


def draw_chain(page: Page) -> None:
    """Draw the chain of one component that comes from a paper or was asked for in another way."""
    store = page.reader.store if page.reader.exists else None
    rows = store.rows("SELECT id, study FROM writings ORDER BY rowid DESC") if store else []
    if store is None or not rows:
        empty(
            "No component was written here yet. Ingest a paper with a language model, and what it describes is written,"
            " verified and followed here up to its effect on the loss. The command line does the same:",
            "neuramosaic ingest 1709.02755 --llm local",
        )
        return
    found = [Writings(store).get(str(row["id"])) for row in rows]
    found.sort(key=lambda item: item.source != SOURCE)
    names = {item.id: f"{item.slot} {item.name}, {item.source}, {str(item.state).lower()}" for item in found}
    chosen = st.selectbox("Component", list(names), format_func=lambda name: names[name], key="chain")
    writing = next(item for item in found if item.id == chosen)
    _passages(writing)
    st.markdown("##### 2. Card")
    with st.expander("The card", icon=":material/description:"):
        st.code(writing.card, language="yaml")
    record = _component(page, writing)
    if record is not None:
        _trials(page, record)


def _passages(writing: WritingRecord) -> None:
    st.markdown("##### 1. Passages")
    proposal = writing.proposal
    if writing.source != SOURCE:
        why = str(proposal.get("why") or proposal.get("idea") or "")
        st.text(f"It comes from no paper: source {writing.source}. {one_line(why, 400)}")
        return
    st.text(f"{one_line(str(proposal.get('title', '')), 200)} ({one_line(str(proposal.get('paper', '')), 80)})")
    st.caption(plain(f"relation to what was known: {proposal.get('relation')}"))
    evidence: dict[str, Any] = dict(proposal.get("evidence") or {})
    if not evidence:
        st.caption("No passage supports its card.")
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


def _component(page: Page, writing: WritingRecord) -> ComponentRecord | None:
    st.markdown("##### 3. Component")
    by = writing.model or "nobody yet"
    effort = f"{writing.attempts} attempts, {writing.tokens:,} tokens, {writing.seconds:.0f} s, by {by}"
    if writing.state is WritingState.OPEN:
        st.info("It is still to be written.", icon=":material/hourglass_top:")
        return None
    if writing.version is None:
        failure = writing.failures[-1] if writing.failures else {"check": "?", "message": ""}
        st.warning(plain(f"Not verified after {effort}: {failure['check']}: {failure['message']}"))
        return None
    record = page.reader.store.component(writing.slot, writing.name, writing.version)
    passed = sum(bool(check.get("passed")) for check in record.checks)
    st.text(f"{record.slot} {record.name}, version {record.version}: passed {passed} of {len(record.checks)} checks")
    st.caption(plain(f"written as {writing.depth} after {effort}"))
    try:
        code = _code(page, record)
    except StoreError as error:
        st.caption(plain(str(error)))
    else:
        with st.expander("The code", icon=":material/code:"):
            st.code(code, language="python")
    return record


def _code(page: Page, record: ComponentRecord) -> str:
    from neuramosaic.store.code import CodeRepository

    return CodeRepository(page.reader.workspace / "code").read(record.commit, SOURCE_FILE)


def _trials(page: Page, record: ComponentRecord) -> None:
    st.markdown("##### 4. Trials with it, and its effect")
    wanted = f"{record.slot}:{record.name}"
    version = {"slot": record.slot, "name": record.name, "version": record.version}
    used = [
        study
        for study in page.reader.studies()
        if any(all(item.get(key) == value for key, value in version.items()) for item in study.components)
    ]
    shown = False
    for study in reversed(used):
        trials = page.reader.outlines(study.id)
        with_it = [trial for trial in trials if wanted in trial.components]
        if not with_it:
            continue
        shown = True
        unit = str(study.task.get("unit", "nats per token"))
        st.markdown(f"**{plain(study.id)}**, {len(with_it)} trials")
        effect = page.reader.derived(study.id, "effect of", lambda t=trials: effect_in(record, t), wanted)  # type: ignore[misc]
        if effect is None:
            st.caption("Too few trials for an effect on the loss.")
        else:
            st.text(
                f"{effect.difference:+.4f} [{effect.low:+.4f}, {effect.high:+.4f}] {unit} goes with it at"
                f" {effect.fidelity.tokens:,} tokens ({effect.n_with} trials with it, {effect.n_without} without; 95 %,"
                " an association; negative is better)"
            )
        frame = pd.DataFrame(
            [
                {
                    "trial": trial.id,
                    "state": str(trial.state),
                    "source": trial.source,
                    "seed": trial.seed,
                    "tokens": trial.fidelity_tokens,
                    f"val loss ({unit})": trial.val_loss,
                }
                for trial in with_it[-LISTED:]
            ]
        )
        st.dataframe(frame, hide_index=True)
    if not shown:
        empty("No trial has it yet:", f"neuramosaic component try {record.name}")
