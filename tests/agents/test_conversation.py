"""From messages to what is meant: rules, slash commands, a scripted language model, and the kept conversation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.conversation.mapping import map_message
from agents.conversation.meaning import Question, Run, Steer, Unclear, changes_something, written
from agents.conversation.sentences import is_complete, understand
from agents.conversation.situation import Situation
from agents.conversation.slash import parse_slash
from agents.conversation.transcript import Transcript, decisions
from agents.conversation.vocabulary import Vocabulary
from agents.llm.base import Request
from agents.llm.client import LanguageModel
from agents.llm.scripted import ScriptedProvider
from neuramosaic.components.registry import catalogue
from neuramosaic.errors import UsageError
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering.names import Names
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store

LINEAR = "sliding_attention,recurrence,ssm,min_gru,gated_conv"


@pytest.fixture(scope="module")
def here() -> Situation:
    known = catalogue()
    space = ArchitectureSpace(known, params_budget=300_000, vocab_size=256, sequence_length=64)
    words = Vocabulary(Names.of(space), known.specs)
    return Situation(words, words, "recall-1", {"trials": 16, "hours": 1.0}, (0,))


SENTENCES = [
    (
        "find something better than attention for recall at 300k parameters, an hour, only linear-time mixers; "
        "read 2312.06635 first",
        f"/run task=recall params=300000 hours=1.0 mixer={LINEAR} read=2312.06635",
    ),
    (
        "Find a model for python code, 1.5M parameters in two hours, no mixture of experts and without feedback",
        "/run task=python-code params=1500000 hours=2.0 channel=mlp,swiglu,squared_relu,kwta modulator=none",
    ),
    (
        "start a new study on text:Notes.txt with 24 trials, half an hour, without a language model",
        "/run task=text:Notes.txt hours=0.5 trials=24 llm=none",
    ),
    (
        "run a study on recall, 30 minutes, favour shallow, ask me before new components",
        "/run task=recall hours=0.5 'then=/approval on' 'then=/favour depth=low'",
    ),
    (
        "find something for recall at 300k params, only mamba and linear attention, with evolution, seed 3, $5 with "
        "gpt-5-mini",
        "/run task=recall params=300000 usd=5.0 seed=3 llm=openai model=gpt-5-mini sampler=evolution "
        "mixer=ssm,recurrence",
    ),
    ("I want a model that beats attention on python code, 2 to 4 layers", "/run task=python-code depth=2-4"),
    ("why did trial 12 fail?", "/why 12"),
    ("why did it fail?", "/why"),
    ("what went wrong with #3", "/why 3"),
    ("which trials failed?", "/why"),
    ("what helps most?", "/what-helps"),
    ("which mixer works best?", "/what-helps"),
    ("no mixture of experts", "/veto channel=moe"),
    ("don't use sliding window attention", "/veto mixer=sliding_attention"),
    ("no quadratic mixers please", "/veto mixer=attention"),
    ("avoid mamba and layer norm", "/veto mixer=ssm norm=layer_norm"),
    ("favour shallow", "/favour depth=low"),
    ("favour deeper networks and no moe", "/favour depth=high | /veto channel=moe"),
    ("prefer mamba weight 4", "/favour mixer=ssm weight=4"),
    ("favour a higher learning rate", "/favour learning_rate=high"),
    ("no preference for depth", "/favour depth=neutral"),
    ("spend more on the best", "/more-on-best"),
    ("train the best one for longer", "/more-on-best"),
    ("pause", "/pause"),
    ("please go on", "/resume"),
    ("stop the study", "/stop"),
    (
        "try this idea: attention whose keys are sharpened by a learned power",
        "/idea attention whose keys are sharpened by a learned power",
    ),
    ("only linear-time mixers", f"/pin {' '.join(f'mixer={name}' for name in LINEAR.split(','))}"),
    ("only attention", "/pin mixer=attention"),
    ("no modulator", "/pin modulator=none"),
    ("allow moe again", "/allow channel=moe"),
    ("unpin the mixer", "/unpin mixer"),
    ("another hour", "/budget hours=2"),
    ("10 more trials", "/budget trials=26"),
    ("at most 40 trials", "/budget trials=40"),
    ("limit it to $3", "/budget usd=3"),
    ("no time limit", "/budget hours=none"),
    ("approve c0", "/approve c0"),
    ("reject it because it is too slow", "/reject c0 it is too slow"),
    ("ask me before new components are written", "/approval on"),
    ("don't ask me", "/approval off"),
    ("how is it going?", "/status"),
    ("what is the best?", "/best"),
    ("is anything better than the baseline?", "/best"),
    ("show the trials", "/trials"),
    ("tell me about trial 4", "/show 4"),
    ("what do the papers say about forgetting in recurrences?", "/papers forgetting in recurrences"),
    ("read 2312.06635", "/ingest 2312.06635"),
    ("what is in force?", "/log"),
    ("undo 3", "/undo 3"),
    ("take that back", "/undo"),
    ("help", "/help"),
    ("/veto mixer=moe", "/veto channel=moe"),
    ("/run task=recall params=300k mixer=-attention hours=1", f"/run task=recall params=300k hours=1.0 mixer={LINEAR}"),
    ("/leaderboard", "/trials"),
    ("ban everything but attention", "/pin mixer=attention"),
    ("find something for recall with no mixers but mamba", "/run task=recall mixer=ssm"),
    ("look for a linear-time mixer for recall, 300k params", f"/run task=recall params=300000 mixer={LINEAR}"),
    ("find something for recall with linear-time mixers only", f"/run task=recall mixer={LINEAR}"),
    ("does moe help?", "/what-helps"),
    ("which trial is running?", "/status"),
    ("what about trial 5?", "/show 5"),
    ("set the trials to 50", "/budget trials=50"),
    ("limit the cost to 2 dollars", "/budget usd=2"),
    ("start it", "/resume"),
    ("try linear attention with rope", "/favour mixer=recurrence position=rope"),
]


@pytest.mark.parametrize(("text", "meant"), SENTENCES)
def test_a_message_is_understood(text: str, meant: str, here: Situation) -> None:
    meaning = understand(text, here)
    assert " | ".join(written(meaning)) == meant
    assert is_complete(meaning)
    # What is shown for confirmation is what is read again once it is confirmed.
    assert [written(parse_slash(command, here.new.names)) for command in written(meaning)] == [
        [command] for command in written(meaning)
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no atention", "did you mean 'attention'"),
        ("no moe or foobar", "unknown component 'foobar'"),
        ("no attention in the first layer", "unknown component 'first'"),
        ("find something on task recal", "did you mean 'recall'"),
        ("look for models on recal at 100k parameters", "did you mean 'recall'"),
        ("search for something better on recall with mamba", "Say 'only ...' or 'no ...'"),
        ("/vetoo moe", "did you mean 'veto'"),
        ("/wy 12", "did you mean 'why'"),
        ("/run task=recal", "did you mean 'recall'"),
        ("/run mixer=atention", "did you mean 'attention'"),
        ("/run prams=3", "did you mean 'params'"),
        ("/run params=many", "a count such as 300000"),
        ("/run mixer=attention,-attention", "no mixer to search"),
        ("/run recall", "is not OPTION=VALUE"),
        ("/show best", "write /show N"),
        ("/papers", "write /papers TEXT"),
        ("favour mamba and attention", "one mixer can be favoured"),
        ("$2 more", "no limit of usd yet"),
        ("I'd prefer no moe", "rule it out"),
        ("try to avoid attention", "rule it out"),
        ("less attention", "rule it out"),
        ("favour shallow and wobbly nets", "wobbly"),
        ("spend less on the best", "/help lists what can be said"),
        ("approve nothing", "/help lists what can be said"),
        ("why are the recurrences so bad?", "/help lists what can be said"),
        ("cancel", "/help lists what can be said"),
        ("let us have lunch", "/help lists what can be said"),
        ("", "say something"),
    ],
)
def test_what_is_not_understood_says_what_would_be(text: str, problem: str, here: Situation) -> None:
    meaning = understand(text, here)
    assert isinstance(meaning, Unclear)
    assert problem in meaning.problem
    assert not changes_something(meaning)


def test_words_without_a_part_in_a_study_are_named(here: Situation) -> None:
    meaning = understand("find something fluffy for recall", here)
    assert isinstance(meaning, Run)
    assert meaning.unused == "fluffy"
    assert not is_complete(meaning)


def test_without_a_study_nothing_can_be_steered_but_papers_can_be_read(here: Situation) -> None:
    alone = Situation(here.new, here.new)
    assert "no study yet" in understand("no moe", alone).problem  # type: ignore[union-attr]
    assert isinstance(understand("read 2312.06635", alone), Steer)
    assert isinstance(understand("how is it going?", alone), Question)


def _model(store: Store, *replies: object) -> tuple[LanguageModel, ScriptedProvider]:
    provider = ScriptedProvider([json.dumps(reply) for reply in replies])
    return LanguageModel(provider, Ledger(store), rng=np.random.default_rng(0)), provider


def _commands(*pairs: tuple[str, str]) -> dict[str, object]:
    return {"commands": [{"kind": kind, "arguments": arguments} for kind, arguments in pairs]}


def test_a_model_maps_what_the_rules_do_not_understand(here: Situation, tmp_path: Path) -> None:
    text = "could you leave the experts alone and lean on nets that are not deep"
    with Store.open(tmp_path) as store:
        model, provider = _model(store, _commands(("veto", "channel=moe"), ("favour", "depth=low")))
        meaning = map_message(text, here, model)
        assert written(meaning) == ["/veto channel=moe", "/favour depth=low"]
        (call,) = Ledger(store).calls(None)
    assert (call.prompt, call.purpose) == ("chat_command", "chat")
    request: Request = provider.requests[0]
    assert text in request.messages[-1].content
    assert "- channel: mlp, swiglu" in request.messages[-1].content


def test_a_model_that_names_what_does_not_exist_is_told_so_once(here: Situation, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        model, provider = _model(store, _commands(("veto", "channel=expert")), _commands(("veto", "channel=moe")))
        assert written(map_message("leave experts out", here, model)) == ["/veto channel=moe"]
        assert "unknown channel 'expert'" in provider.requests[1].messages[-1].content
        model, _ = _model(store, *[_commands(("veto", "mixer=hyena"))] * 2)
        refused = map_message("no hyena", here, model)
        assert isinstance(refused, Unclear)
        assert "unknown mixer 'hyena'" in refused.problem
        model, _ = _model(store, _commands(("unclear", "")))
        assert isinstance(map_message("what is the weather", here, model), Unclear)


def test_the_conversation_is_shared_and_decided_once(tmp_path: Path) -> None:
    first, second = Transcript(tmp_path), Transcript(tmp_path)
    assert first.entries() == []
    said = first.add("said", by="ada", study="recall-1", text="no moe\n<b>")
    proposal = second.add("proposal", of=said.id, data={"commands": ["/veto channel=moe"]})
    second.add("decision", by="bob", of=proposal.id, data={"confirmed": True})
    with pytest.raises(UsageError, match="decided already"):
        first.add("decision", by="ada", of=proposal.id, data={"confirmed": False})
    assert [entry.id for entry in first.entries()] == [1, 2, 3]
    assert decisions(first.entries())[proposal.id].by == "bob"
    with first.path.open("a") as file:
        file.write('{"id": 9, "ki')  # whoever wrote was killed
    assert first.add("said", text="still there").text == "still there"
    assert [entry.kind for entry in second.entries()] == ["said", "proposal", "decision", "said"]
