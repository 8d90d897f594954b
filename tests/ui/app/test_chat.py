"""The chat: a study that is started, steered and asked about in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import ui.views.chat_model
import ui.views.chat_replies
from agents.conversation.transcript import Transcript
from agents.llm.client import LanguageModel
from agents.llm.scripted import ScriptedProvider
from graph.steering import steering_status
from neuramosaic.components.card import Card
from neuramosaic.errors import UsageError
from neuramosaic.steering.commands import Approve
from neuramosaic.store.commands import Commands
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from ui.reader import Reader


def _script(reader: object, study: str | None) -> None:
    from ui.app import draw
    from ui.reader import Reader
    from ui.views.page import Page

    assert isinstance(reader, Reader)
    draw("chat", Page(reader, study))


Chat = Callable[..., AppTest]


@pytest.fixture
def chat_reader(workspace: Path) -> Iterator[Reader]:
    reader = Reader(workspace)
    yield reader
    reader.store.close()


@pytest.fixture
def chat(chat_reader: Reader) -> Chat:
    def opened(study: str | None = "text-1") -> AppTest:
        return AppTest.from_function(_script, args=(chat_reader, study), default_timeout=120).run()

    return opened


def say(app: AppTest, text: str) -> AppTest:
    return app.chat_input[0].set_value(text).run()


def shown(app: AppTest) -> str:
    kinds = ("markdown", "caption", "text", "warning", "error", "code")
    return "\n".join(str(item.value) for kind in kinds for item in getattr(app, kind)).replace("\\", "")


def button(app: AppTest, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


def test_a_question_is_answered_at_once_and_seen_by_others(chat: Chat) -> None:
    app = say(chat(), "why did trial 2 fail?")
    assert not app.exception
    assert "Trial 2 failed: verification: causal: it sees the future" in shown(app)
    assert "Trial 2" in [item.label for item in app.button]
    other = chat()
    assert "why did trial 2 fail?" in shown(other)
    assert "it sees the future" in shown(other)
    app = say(app, "what is the best?")
    assert "Best 2.4000 nats per byte at 4,096 tokens (trial 1), 0.1000 below the baseline." in shown(app)
    told = shown(say(app, "how is it going?"))
    assert "text-1 is stopped. Trials: 1 waiting, 1 running, 3 complete, 1 failed." in told
    assert "Used so far: 0.01 hours of trials, 0 tokens of the language model." in told
    assert "has no trial 77: its trials are 0 to 5" in shown(say(app, "/why 77"))
    assert "Not enough trials yet" in shown(say(app, "what helps most?"))


def test_a_veto_is_confirmed_logged_and_undone(chat: Chat, chat_reader: Reader) -> None:
    app = say(chat(), "no mixture of experts")
    assert "Propose no channel moe any more" in shown(app)
    assert steering_status(chat_reader.store, "text-1").log == ()
    app.text_input(key="chat name").set_value("ada")
    app = button(app.run(), "Confirm").click().run()
    assert not app.exception
    (command,) = steering_status(chat_reader.store, "text-1").log
    assert (command.command.kind, command.by) == ("veto", "ada")
    assert "Confirmed by ada" in shown(app)
    assert "1: propose no channel moe any more; it takes effect once the study goes on" in shown(app)
    assert "Confirm" not in [item.label for item in app.button]
    told = shown(say(app, "/log"))
    assert "Nothing steers this study." in told
    assert "1 command waits: a running study heeds it in a moment, another one once it goes on." in told
    app = button(app, "Withdraw").click().run()
    assert [item.effect for item in steering_status(chat_reader.store, "text-1").log] == ["withdrawn by ada"]


def test_what_is_cancelled_or_wrong_changes_nothing(chat: Chat, chat_reader: Reader) -> None:
    app = button(say(chat(), "favour shallow"), "Cancel").click().run()
    assert "Cancelled" in shown(app)
    assert "did you mean 'attention'" in shown(say(app, "no atention"))
    assert "is not running" in shown(say(app, "pause"))
    assert steering_status(chat_reader.store, "text-1").log == ()


def test_text_is_shown_as_it_is(chat: Chat) -> None:
    app = say(chat(), "**bold** <img src=x> $x$ [a](http://b)")
    said = next(item.value for item in app.markdown if "bold" in str(item.value))
    assert said.startswith(r"\*\*bold\*\* \<img src\=x\> \$x\$ \[a\]\(http")


def test_a_study_is_started(chat: Chat, chat_reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(ui.views.chat_replies, "begin", lambda study, workspace: begun.append(study))
    text = "/run task=recall params=30k trials=2 rungs=1 tokens=4k hours=1 mixer=-attention sandbox=process"
    app = say(chat(), f"{text} 'then=/favour depth=low'")
    told = shown(app)
    assert "Only these mixers: sliding_attention, recurrence, ssm, min_gru, gated_conv" in told
    assert "Wall time: at most 1 hour" in told
    assert "Cost: 3 trials, 12k tokens of training" in told
    assert begun == []
    app = button(app, "Start the study").click().run()
    assert not app.exception
    assert begun == ["recall-1"]
    assert app.session_state["study kept"] == "recall-1"
    record = chat_reader.study("recall-1")
    assert record.config["space"]["mixers"] == ["sliding_attention", "recurrence", "ssm", "min_gru", "gated_conv"]
    assert [item.command.kind for item in Commands(chat_reader.store).log("recall-1")] == ["favour"]
    assert "Study recall-1 has begun" in shown(chat("recall-1"))


def test_an_empty_workspace_offers_a_beginning(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "none")
    app = AppTest.from_function(_script, args=(reader, None), default_timeout=120).run()
    assert not app.exception
    assert "Nobody has said anything here yet" in shown(app)
    assert "no study yet" in shown(say(app, "no moe"))
    assert "Cost: " in shown(say(app, "find something for recall at 100k parameters, 20 minutes"))


CARD = Card.from_yaml(
    "name: soft_shift\nslot: mixer\nsummary: A <b>shift</b> of the past\nequations: ['y[t] = x[t-1]']\ncost: linear\n"
)


def test_a_component_that_waits_is_shown_and_decided(chat: Chat, chat_reader: Reader) -> None:
    Writings(chat_reader.store).add(CARD, source="llm", study="text-1", proposal={"approval": "asked", "why": "cheap"})
    app = chat()
    assert "c0: mixer soft_shift" in shown(app)
    assert "A <b>shift</b> of the past" in [item.value for item in app.text]
    assert "y[t] = x[t-1]" in [item.value for item in app.code]
    button(app, "Approve").click().run()
    (command,) = steering_status(chat_reader.store, "text-1").log
    assert command.command == Approve(card=0)


def test_a_stopped_study_goes_on(chat: Chat, chat_reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(ui.views.chat_replies, "begin", lambda study, workspace: begun.append(study))
    app = button(say(chat(), "go on"), "Confirm").click().run()
    assert begun == ["text-1"]
    assert "Study text-1 goes on, in a process of its own" in shown(app)


def test_a_paper_is_read_by_a_process_of_its_own_where_no_study_runs(
    chat: Chat, chat_reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def start_ingest(workspace: Path, references: list[str], options: dict[str, Any]) -> Any:
        asked.append((references, options["llm"]))
        return SimpleNamespace(number=1)

    monkeypatch.setattr(ui.views.chat_replies, "start_ingest", start_ingest)
    app = button(say(chat(), "read 2312.06635"), "Confirm").click().run()
    assert asked == [(["2312.06635"], "none")]
    assert "Reading 2312.06635 has begun (run 1)" in shown(app)
    assert steering_status(chat_reader.store, "text-1").log == ()


def test_a_model_that_cannot_run_is_said_beside_what_the_rules_say(
    chat: Chat, chat_reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(choice: Any, store: Store, caps: Any) -> Any:
        raise UsageError("no model is installed: pip install 'neuramosaic[local]'")

    monkeypatch.setattr(ui.views.chat_model, "asked", asked)
    monkeypatch.setattr(ui.views.chat_model, "IDLE_S", 0.01)
    app = chat()
    app.selectbox(key="chat llm").set_value("local").run()
    say(app, "let us have lunch")
    ui.views.chat_model.listener(chat_reader, "local", None, None).wait(60)
    told = shown(app.run())
    assert "this was not understood; /help lists what can be said" in told
    assert "The language model was no help: no model is installed" in told


def test_a_model_reads_what_rules_do_not_understand(
    chat: Chat, chat_reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"commands": [{"kind": "veto", "arguments": "channel=moe"}]}

    @contextmanager
    def asked(choice: Any, store: Store, caps: Any) -> Iterator[LanguageModel]:
        yield LanguageModel(ScriptedProvider([json.dumps(answer)]), Ledger(store), rng=np.random.default_rng(0))

    monkeypatch.setattr(ui.views.chat_model, "asked", asked)
    monkeypatch.setattr(ui.views.chat_model, "IDLE_S", 0.01)
    app = chat()
    app.selectbox(key="chat llm").set_value("local").run()
    say(app, "could experts be kept away from this")
    ui.views.chat_model.listener(chat_reader, "local", None, None).wait(60)
    app.run()
    assert "A language model read it so." in shown(app)
    assert "/veto channel=moe" in shown(app)
    assert steering_status(chat_reader.store, "text-1").log == ()
    assert [call.prompt for call in Ledger(chat_reader.store).calls(None)] == ["chat_command"]
    assert [entry.kind for entry in Transcript(chat_reader.workspace).entries()] == ["said", "proposal"]
