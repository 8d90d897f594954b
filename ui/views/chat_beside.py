"""Beside the conversation: how the study stands, what waits for approval, what was asked of it and its undo."""

from __future__ import annotations

import streamlit as st

from graph.conversing import Done, undo
from graph.steering import steering_status as read_status
from graph.steering import submit
from neuramosaic.components.card import Card
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.steering.commands import Approve, Reject, describe
from neuramosaic.store.commands import CommandOutcome, CommandRecord
from neuramosaic.store.records import StudyState, WritingRecord
from ui.views.page import Page, live, plain

#: Kinds of commands that can be taken back.
UNDONE = frozenset({"veto", "allow", "pin", "unpin", "favour", "budget", "approval", "pause", "resume"})
#: Commands of the log that are shown.
SHOWN = 8
FINAL = ("COMPLETE", "PRUNED", "FAILED")


def draw_beside(page: Page, name: str) -> None:
    """Draw it.

    Args:
        page: Where.
        name: Who looks, for the log.
    """
    if page.study is None:
        st.caption("No study yet: say what you want to find.")
        return
    st.session_state["chat name seen"] = name
    live(_beside, page, running=page.reader.running(page.study))


def _beside(page: Page) -> None:
    study, reader = str(page.study), page.reader
    name = str(st.session_state.get("chat name seen", ""))
    steered = read_status(reader.store, study)
    running, record = reader.running(study), page.record
    state = "PAUSED" if steered.paused else "RUNNING" if running else str(record.state)
    if not running and record.state is StudyState.RUNNING:
        state = "INTERRUPTED"
    counts = reader.table(study)["state"].value_counts()
    done = int(sum(counts.get(kind, 0) for kind in FINAL))
    st.markdown(f"**{plain(study)}**: {state}")
    told = f"{done} of {int(counts.sum())} trials have ended, {int(counts.get('RUNNING', 0))} run"
    st.caption(plain(told + (f". {record.message}" if record.message else "")))
    for writing in steered.waiting:
        _waits(page, writing, name)
    lines = steered.steering.lines()
    if lines:
        st.markdown("**In force**")
        st.markdown("\n".join(f"- {plain(line)}" for line in lines))
    if steered.log:
        st.markdown("**Asked of this study**")
        for item in reversed(steered.log[-SHOWN:]):
            _asked(page, item, name)


def _waits(page: Page, writing: WritingRecord, name: str) -> None:
    """Draw a component that waits for a person."""
    with st.container(border=True):
        st.markdown(f":orange-badge[waits for you] **c{writing.number}: {plain(writing.slot)} {plain(writing.name)}**")
        try:
            card = Card.from_yaml(writing.card)
        except NeuraMosaicError:
            st.code(writing.card, language=None, wrap_lines=True)
        else:
            st.text(card.summary)
            paper = f", paper {card.paper}" if card.paper else ""
            st.caption(plain(f"proposed by {writing.source}, {card.cost} in the length of the sequence{paper}"))
            if card.equations:
                st.code("\n".join(card.equations), language=None, wrap_lines=True)
        why = writing.proposal.get("why")
        if why:
            st.text(str(why)[:400])
        reason = st.text_input("Reason, if rejected", key=f"chat reason {writing.id}", max_chars=300)
        with st.container(horizontal=True):
            yes = st.button("Approve", icon=":material/check:", key=f"chat approve {writing.id}", type="primary")
            no = st.button("Reject", icon=":material/close:", key=f"chat reject {writing.id}")
    if yes or no:
        command = Approve(card=writing.number) if yes else Reject(card=writing.number, reason=reason.strip())
        submit(page.reader.store, str(page.study), command, by=name)
        st.rerun()


def _asked(page: Page, item: CommandRecord, name: str) -> None:
    """Draw a command of the log."""
    outcome = "waits" if item.pending else str(item.outcome or "done")
    by = f" by {item.by}" if item.by else ""
    effect = f": {item.effect}" if item.effect and item.outcome is CommandOutcome.REFUSED else ""
    st.markdown(f"{item.id}\\. {plain(describe(item.command))}  \n:small[{plain(outcome + by + effect)}]")
    takes_back = item.command.kind in UNDONE and (item.pending or item.outcome is CommandOutcome.APPLIED)
    label = "Withdraw" if item.pending else "Undo"
    if takes_back and st.button(label, icon=":material/undo:", key=f"chat undo {item.id}", type="tertiary"):
        done: Done = undo(page.reader.store, str(page.study), item.id, by=name)
        st.toast(plain("; ".join(done.lines)))
        st.rerun()
