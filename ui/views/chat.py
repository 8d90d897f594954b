"""Chat: say what you want, ask, steer, approve. What would change something waits until a person confirms it."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import streamlit as st

from agents.conversation.answers import Answer, Link, Table
from agents.conversation.sentences import is_complete, understand
from agents.conversation.transcript import Entry, Transcript, decisions
from neuramosaic.errors import NeuraMosaicError
from ui.figures import moment
from ui.views.chat_beside import draw_beside
from ui.views.chat_model import Job, being_read, listener
from ui.views.chat_replies import decide, reply, situation
from ui.views.page import Page, guarded, live, plain, say_error

LLMS = ("none", "local", "openai")
#: Messages that are shown at first, and how many more each time.
SHOWN = 40
#: Of the conversation, in pixels: the study's state stays beside its newest messages.
HEIGHT = 640
#: What a new conversation offers to begin with.
STARTERS = (
    "find something better than attention for recall at 300k parameters, an hour, only linear-time mixers",
    "what helps most?",
    "how is it going?",
    "help",
)


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Chat")
    talk, beside = st.columns((5, 2), gap="large")
    with beside:
        _settings()
        draw_beside(page, _name())
    text = st.chat_input("Say what you want, ask, or steer; / for commands", key="chat input", max_chars=2000)
    chosen = st.session_state.pop("chat starter", None)
    if text or chosen:
        post(page, str(text or chosen))
    with talk:
        st.fragment(guarded(_conversation))(page)
    live(_watch, page, running=True)


def _settings() -> None:
    """Let the person say who they are, and who reads what the rules do not understand."""
    with st.expander("Who talks, who listens", icon=":material/person:"):
        _kept_text("Your name, for the log", "chat name")
        kept = st.session_state.get("chat llm kept", "none")
        llm = st.selectbox(
            "Who reads what the rules do not understand",
            LLMS,
            index=LLMS.index(kept),
            key="chat llm",
            help="none: rules alone. A model only says which command is meant; it is confirmed like any other.",
        )
        st.session_state["chat llm kept"] = llm
        if llm == "openai":
            _kept_text("Model", "chat llm model")
            usd = st.number_input(
                "USD, at most", 0.0, None, float(st.session_state.get("chat usd kept", 0.5)), step=0.1
            )
            st.session_state["chat usd kept"] = usd
        elif llm == "local":
            st.caption("It is loaded with the first message that needs it, and let go after a while.")


def _kept_text(label: str, key: str) -> None:
    value = st.text_input(label, st.session_state.get(f"{key} kept", ""), key=key, max_chars=60)
    st.session_state[f"{key} kept"] = value.strip()


def _name() -> str:
    return str(st.session_state.get("chat name kept", ""))


def post(page: Page, text: str) -> None:
    """Take in a message: it is answered at once, proposed, or given to the chosen model."""
    reader = page.reader
    try:
        message = Transcript(reader.workspace).add("said", by=_name(), study=page.study, text=" ".join(text.split()))
        here = situation(reader, page.study)
        meaning = understand(text, here)
        llm = st.session_state.get("chat llm kept", "none")
        if is_complete(meaning) or llm == "none" or text.lstrip().startswith("/"):
            reply(reader, message, meaning, here)
            return
        model = st.session_state.get("chat llm model kept") or None if llm == "openai" else None
        usd = st.session_state.get("chat usd kept") or None if llm == "openai" else None
        listener(reader, llm, model, usd).hear(Job(message, here, meaning))
    except NeuraMosaicError as error:
        say_error(str(error))


@functools.lru_cache(maxsize=8)
def _entries(workspace: str, version: int, transcript: Transcript) -> list[Entry]:
    return transcript.entries()


@functools.lru_cache(maxsize=8)
def _transcript(workspace: Any) -> Transcript:
    return Transcript(workspace)


def _watch(page: Page) -> None:
    """Draw the page anew once somebody has said something; until then the messages stay as they are."""
    if st.session_state.get("chat seen") != _transcript(page.reader.workspace).version():
        st.rerun()


def _conversation(page: Page) -> None:
    transcript = _transcript(page.reader.workspace)
    version = st.session_state["chat seen"] = transcript.version()
    entries = _entries(str(transcript.path), version, transcript)
    if not entries:
        _begin(page)
        return
    shown = int(st.session_state.get("chat shown", SHOWN))
    visible = [entry for entry in entries if entry.kind != "decision"]
    if len(visible) > shown and st.button("Older messages", icon=":material/history:", key="chat older"):
        st.session_state["chat shown"] = shown + SHOWN
        st.rerun(scope="fragment")
    with st.container(height=HEIGHT, border=False, key="chat scroll"):
        _messages(page, entries, visible[-shown:])


def _messages(page: Page, entries: list[Entry], visible: list[Entry]) -> None:
    decided = decisions(entries)
    answered = {entry.of for entry in entries if entry.kind in ("answer", "proposal")}
    for entry in visible:
        if entry.kind == "said":
            _said(page, entry, waits=entry.id not in answered and being_read(page.reader, entry.id))
        elif entry.kind == "answer":
            with st.chat_message("assistant"):
                _answer(page, entry)
        else:
            with st.chat_message("assistant"):
                _proposal(page, entry, decided.get(entry.id))


def _begin(page: Page) -> None:
    st.caption(
        "Nobody has said anything here yet. What is said here, all who look at this workspace see. Try one of these:"
    )
    for index, text in enumerate(STARTERS if page.study else (STARTERS[0], STARTERS[3])):
        if st.button(text, key=f"chat starter {index}"):
            st.session_state["chat starter"] = text
            st.rerun()


def _said(page: Page, entry: Entry, *, waits: bool) -> None:
    with st.chat_message("user"):
        st.markdown(plain(entry.text))
        about = [entry.by, moment(entry.time)[:16], entry.study if entry.study != page.study else ""]
        st.caption(plain(" · ".join(filter(None, (item or "" for item in about)))))
    if waits:
        with st.chat_message("assistant"):
            st.markdown(":material/hourglass_top: The language model reads this ...")


def _answer(page: Page, entry: Entry) -> None:
    found = Answer.from_json(entry.data)
    if entry.data.get("mapped"):
        st.caption(plain(f"Understood by the language model as {'; '.join(map(str, entry.data['mapped']))}"))
    for line in found.lines:
        st.markdown(plain(line))
    for index, table in enumerate(found.tables):
        _table(table, f"chat table {entry.id} {index}")
    for code in found.code:
        st.code(code, language=None, wrap_lines=True)
    if found.links:
        with st.container(horizontal=True):
            for index, link in enumerate(found.links):
                _link(link, f"chat link {entry.id} {index}")


def _table(table: Table, key: str) -> None:
    frame = pd.DataFrame([list(row) for row in table.rows], columns=list(table.columns))
    st.dataframe(frame, hide_index=True, key=key)


def _proposal(page: Page, entry: Entry, decision: Entry | None) -> None:
    data = entry.data
    commands = [str(command) for command in data.get("commands", ())]
    new = bool(commands) and commands[0].startswith("/run")
    with st.container(border=True):
        st.markdown(
            "**A new study, as it was understood**" if new else f"**For {plain(entry.study or 'this workspace')}**"
        )
        st.markdown("\n".join(f"- {plain(line)}" for line in data.get("lines", ())))
        for note in data.get("notes", ()):
            st.warning(plain(note), icon=":material/warning:")
        st.code("\n".join(commands), language=None, wrap_lines=True)
        if data.get("mapped"):
            st.caption("A language model read it so.")
        if decision is not None:
            verb = "Confirmed" if decision.data.get("confirmed") else "Cancelled"
            by = f" by {decision.by}" if decision.by else ""
            st.caption(plain(f"{verb}{by}, {moment(decision.time)[:16]}"))
            return
        with st.container(horizontal=True):
            label = "Start the study" if new else "Confirm"
            yes = st.button(label, type="primary", icon=":material/check:", key=f"chat confirm {entry.id}")
            no = st.button("Cancel", icon=":material/close:", key=f"chat cancel {entry.id}")
    if yes or no:
        _decide(page, entry, confirmed=yes)


def _decide(page: Page, entry: Entry, *, confirmed: bool) -> None:
    with st.spinner("Working ..."):
        study = decide(page.reader, entry, confirmed=confirmed, by=_name())
    if study is not None:
        st.session_state["study kept"] = study
        st.query_params["study"] = study
        st.session_state.pop("study", None)
    st.rerun()


def _link(link: Link, key: str) -> None:
    icon = {"trial": ":material/science:", "study": ":material/home:", "passages": ":material/menu_book:"}[link.kind]
    if not st.button(plain(link.label), key=key, icon=icon):
        return
    if link.kind == "trial":
        st.session_state["trial"] = link.target
        study = link.target.rpartition(".")[0]
        st.switch_page(_registered("trial"), query_params={"study": study, "trial": link.target})
    elif link.kind == "passages":
        st.session_state["passages"] = link.target
        st.switch_page(_registered("literature"))
    else:
        st.switch_page(_registered("overview"), query_params={"study": link.target})


def _registered(view: str) -> Any:
    """Stand for a view, which the app has registered under the same address."""

    def drawn() -> None:
        """Never called."""

    return st.Page(drawn, title=view, url_path=view)
