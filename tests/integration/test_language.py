"""A study with a language model, from its first question to a replay without it."""

import json
import random
import re
from dataclasses import replace

import pytest

from agents.llm.providers import create_provider
from graph.session import create_study, extend_study, run_study
from neuramosaic.errors import NeuraMosaicError, SandboxError, UsageError
from neuramosaic.store.records import StudyState, TrialState, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from neuramosaic.study import StudyConfig
from sandbox.scripted import ScriptedSandbox
from ui.cli import main


class Crash(BaseException):
    """What a killed process looks like from inside: nothing after it runs."""


def facts(trials):
    """What a replay repeats of trials."""
    return [
        (
            t.number,
            t.architecture_id,
            t.source,
            t.rung,
            t.parent and t.parent.rpartition(".")[2],
            t.commit,
            t.state,
            t.val_loss,
            t.after,
            t.finish_order,
            {**t.proposal, "writing": t.proposal["writing"].rpartition(".")[2]}
            if "writing" in t.proposal
            else t.proposal,
        )
        for t in trials
    ]


def texts(writings):
    """What a replay repeats of writings."""
    return [
        (w.number, w.card, w.state, w.after, w.proposal, w.depth, w.version, w.commit, w.attempts, w.tokens, w.failures)
        for w in writings
    ]


def wobble(job):
    """Trials end in another order each time."""
    return random.Random().uniform(0.0, 0.15)


def replay_of(study):
    return StudyConfig.from_mapping({"llm": "replay", "replay": study})


def test_a_study_asks_writes_tries_and_is_replayed_without_the_model(laboratory, asking, model_server, writer, capsys):
    laboratory.sandbox.delay_s = wobble
    study = create_study(asking, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials, writings = laboratory.trials(study), laboratory.writings(study)
    assert sum(t.rung == 0 for t in trials) == asking.trials + 1
    assert any(t.source == "llm" for t in trials)
    assert [w.state for w in writings] == [WritingState.VERIFIED] * 2
    for writing in writings:
        (first, *_) = [t for t in trials if f"{writing.slot}:{writing.name}" in t.components]
        assert first.source == "llm"
        assert first.proposal["writing"] == writing.id
        assert first.state is TrialState.COMPLETE
    assert len({t.space_version for t in trials}) == 3
    assert laboratory.study(study).space_version == trials[-1].space_version
    asked = len(model_server.requests)
    assert asked == len(laboratory.calls(study))
    assert_shown(first, writing, laboratory.workspace, capsys)

    for _ in range(2):
        again = create_study(replay_of(study), laboratory.workspace)
        assert run_study(again, laboratory.workspace) is StudyState.FINISHED
        assert facts(laboratory.trials(again)) == facts(trials)
        assert texts(laboratory.writings(again)) == texts(writings)
        assert not [event for event in laboratory.journal(again) if event.kind == "differs"]
        study = again  # a replay can be replayed
    assert len(model_server.requests) == asked


def assert_shown(trial, writing, workspace, capsys):
    """`show` and `component show` say who wrote a component, with which card, code, prompts, calls and ladder."""
    assert main(["show", trial.id, "--json", "-w", str(workspace)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["proposal"]["predicted_loss"] == trial.proposal["predicted_loss"]
    (component,) = [item for item in shown["written"] if item["name"] == writing.name]
    assert (component["card"]["name"], component["commit"]) == (writing.name, writing.commit)
    assert (component["writing"]["id"], component["writing"]["attempts"]) == (writing.id, 2)
    proposed, *card, first, second = component["writing"]["calls"]
    assert (proposed["prompt"], first["prompt"], second["prompt"]) == ("propose_component", *["connection_test"] * 2)
    assert all(call["prompt"].startswith("card_") or call["prompt"] == "propose_component" for call in card)
    assert "2 + 3" in second["messages"][1]["content"]
    assert main(["component", "show", writing.name, "--json", "-w", str(workspace)]) == 0
    assert json.loads(capsys.readouterr().out)["history"] == component
    for command in (["show", trial.id], ["component", "show", writing.name]):
        assert main([*command, "-w", str(workspace)]) == 0
        said = capsys.readouterr().out
        assert f"show {writing.commit[:12]}:component.py" in said
        assert "written by m (code) in 2 attempts, 54 tokens" in said
        assert f"name: {writing.name}" in said
        assert "connection_test: ok, 20 + 7 tokens" in said


def test_a_crash_anywhere_asks_nothing_twice_and_loses_nothing(laboratory, asking, model_server, writer):
    study = create_study(asking, laboratory.workspace)
    writer.crash = Crash
    writer.crash_at = 1
    for _ in range(2):  # in the middle of a writing, twice
        with pytest.raises(Crash):
            run_study(study, laboratory.workspace)
    (writing,) = laboratory.writings(study)
    assert writing.state is WritingState.OPEN
    before = [trial.id for trial in laboratory.trials(study) if trial.state.finished]
    writer.crash_at = None
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials, calls = laboratory.trials(study), laboratory.calls(study)
    assert before == [trial.id for trial in trials if trial.id in before]
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert sum(t.rung == 0 for t in trials) == asking.trials + 1
    assert [w.state for w in laboratory.writings(study)] == [WritingState.VERIFIED] * 2
    assert len({call.request for call in calls}) == len(calls) == len(model_server.requests)
    again = create_study(replay_of(study), laboratory.workspace)
    run_study(again, laboratory.workspace)
    assert facts(laboratory.trials(again)) == facts(trials)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_between_a_card_and_its_writing_changes_no_order(laboratory, asking, writer, monkeypatch, workers):
    study = create_study(asking.model_copy(update={"workers": workers}), laboratory.workspace)
    crash_after_a_card(study, laboratory, monkeypatch)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    again = create_study(replay_of(study), laboratory.workspace)
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert facts(laboratory.trials(again)) == facts(laboratory.trials(study))
    assert texts(laboratory.writings(again)) == texts(laboratory.writings(study))


def crash_after_a_card(study, laboratory, monkeypatch):
    """Run a study until its first card is in the store, and no further."""
    add = Writings.add

    def crash(self, *arguments, **more):
        add(self, *arguments, **more)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Writings, "add", crash)
        with pytest.raises(Crash):
            run_study(study, laboratory.workspace)


def test_a_verified_component_joins_after_a_crash_before_it_could(laboratory, asking, writer, monkeypatch):
    study = create_study(asking, laboratory.workspace)

    def crash(self, *arguments):
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Store, "extend_study_space", crash)
        with pytest.raises(Crash):
            run_study(study, laboratory.workspace)
    (writing,) = laboratory.writings(study)
    assert (writing.state, laboratory.study(study).components) == (WritingState.VERIFIED, ())
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert [item["writing"] for item in laboratory.study(study).components] == [f"{study}.c0", f"{study}.c1"]


def test_a_stop_is_heard_while_a_component_is_written(laboratory, asking, writer, monkeypatch):
    study = create_study(asking, laboratory.workspace)
    original = Store.add_event

    def stopping(self, of, agent, kind, message, **more):
        original(self, of, agent, kind, message, **more)
        if "attempt 1" in message and agent == "coder" and not laboratory.study(study).message:
            self.push_command(study, "stop")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "add_event", stopping)
        assert run_study(study, laboratory.workspace) is StudyState.STOPPED
    assert laboratory.writings(study)[0].state is WritingState.OPEN
    assert all(trial.state in (TrialState.WAITING, TrialState.COMPLETE) for trial in laboratory.trials(study))
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert {w.state for w in laboratory.writings(study)} == {WritingState.VERIFIED}


def test_no_component_is_begun_after_the_deadline(laboratory, asking, model_server, writer, monkeypatch):
    study = create_study(asking, laboratory.workspace)
    crash_after_a_card(study, laboratory, monkeypatch)
    asked = len(model_server.requests)
    extend_study(study, laboratory.workspace, {"max_hours": 1e-9})
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert len(model_server.requests) == asked
    assert [w.state for w in laboratory.writings(study)] == [WritingState.OPEN]
    assert all(trial.state.finished for trial in laboratory.trials(study))


def test_a_writing_ends_at_the_deadline_and_a_later_one_goes_on(laboratory, asking, writer, monkeypatch):
    study = create_study(asking.model_copy(update={"max_hours": 1.0}), laboratory.workspace)
    time_is_up = []
    add = Store.add_event

    def late(self, of, agent, kind, message, **more):
        add(self, of, agent, kind, message, **more)
        if "attempt 1" in message and agent == "coder":
            time_is_up.append(True)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "add_event", late)
        patched.setattr("graph.lab._over", lambda deadline: bool(time_is_up))
        assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    (writing,) = laboratory.writings(study)
    assert writing.state is WritingState.OPEN
    assert len([event for event in laboratory.journal(study) if ": attempt" in event.message]) == 1
    assert all(trial.state.finished for trial in laboratory.trials(study))
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert {w.state for w in laboratory.writings(study)} == {WritingState.VERIFIED}
    again = create_study(replay_of(study), laboratory.workspace)
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert facts(laboratory.trials(again)) == facts(laboratory.trials(study))


@pytest.mark.parametrize("failures", [2, 3])
def test_a_sandbox_may_fail_twice_on_a_writing(laboratory, asking, writer, monkeypatch, failures):
    study = create_study(asking, laboratory.workspace)
    troubles = [SandboxError("the engine went away") for _ in range(failures)]
    write = writer.write

    def failing(self, *arguments, **more):
        if troubles:
            raise troubles.pop()
        return write(self, *arguments, **more)

    monkeypatch.setattr(writer, "write", failing)
    if failures == 3:
        with pytest.raises(SandboxError, match="went away"):
            run_study(study, laboratory.workspace)
        assert [w.state for w in laboratory.writings(study)] == [WritingState.OPEN]
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert [w.state for w in laboratory.writings(study)] == [WritingState.VERIFIED] * 2
    said = [event for event in laboratory.journal(study) if "another is started" in event.message]
    assert len(said) == 2


def test_a_component_that_cannot_be_written_stays_out(laboratory, asking, writer):
    writer.fails = (0,)
    study = create_study(asking, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    failed, verified = laboratory.writings(study)
    assert (failed.state, verified.state) == (WritingState.FAILED, WritingState.VERIFIED)
    assert [item["name"] for item in laboratory.study(study).components] == [verified.name]
    said = [event.message for event in laboratory.journal(study) if event.kind == "written"]
    assert said[0].startswith(f"{failed.slot} {failed.name}: not verified, 2 attempts")
    assert said[0].endswith("causal: it sees the future")


def test_what_a_component_fills_is_searched_though_the_study_is_restricted(laboratory, asking, writer):
    space = {"mixers": ["attention"], "channels": ["mlp"], "modulators": [], "max_pattern": 1, "depth": [1, 2]}
    config = StudyConfig.from_mapping({**asking.to_json(), "space": space})
    study = create_study(config, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    tried = {name for trial in laboratory.trials(study) for name in trial.components}
    assert {f"{w.slot}:{w.name}" for w in laboratory.writings(study)} <= tried


@pytest.mark.parametrize(
    "trouble",
    [
        lambda server: server.sends("slow down", 429, retry_after="0"),
        lambda server: server.sends("{}", 500),
        lambda server: lambda handler: server.released.wait(5),
        lambda server: cut_off,
        lambda server: server.says("I would rather write a poem."),
        lambda server: server.sends(b"x" * 10_000_000),
        lambda server: server.sends('{"error": "no such model"}', 404),
    ],
    ids=["429", "500", "hangs", "cut", "prose", "10 MB", "404"],
)
@pytest.mark.parametrize("good", [0, 3], ids=["from the start", "in the middle"])
def test_a_server_that_misbehaves_costs_no_trial_and_no_study(
    laboratory, asking, model_server, writer, whim, monkeypatch, trouble, good
):
    monkeypatch.setattr(
        "graph.language.create_provider",
        lambda choice, *a, **k: create_provider(replace(choice, timeout_s=0.3), *a, **k),
    )
    model_server.behaviours = [whim] * good + [trouble(model_server)]
    study = create_study(asking, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    trials = laboratory.trials(study)
    assert sum(t.rung == 0 for t in trials) == asking.trials + 1
    assert {t.state for t in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(w.state is not WritingState.OPEN for w in laboratory.writings(study))
    journal = laboratory.journal(study)
    assert any(event.kind == "proposed" and "instead of llm" in event.message for event in journal)
    if len(model_server.requests) >= good + 12:
        assert any("is left alone for a while" in event.message for event in journal)
    assert len(model_server.requests) <= good + 30


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def test_a_cap_ends_the_study_in_good_order_and_a_higher_one_goes_on(
    laboratory, asking, model_server, writer, monkeypatch
):
    # A call could use 5,000 tokens, and uses 27: the cap lets three pass.
    monkeypatch.setattr("agents.llm.client._most_tokens_in", lambda request: 5000 - request.max_tokens)
    config = asking.model_copy(update={"max_llm_tokens": 5000 + 2 * 27})
    study = create_study(config, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    record, trials = laboratory.study(study), laboratory.trials(study)
    assert re.match(r"the language model's cap of 5054 tokens is reached: .*--max-llm-tokens N'$", record.message)
    assert all(trial.state.finished for trial in trials)
    assert (laboratory.workspace / "artifacts" / study / "report.html").exists()
    assert [call.outcome for call in laboratory.calls(study)] == ["ok"] * 3 + ["budget_spent"]

    again = create_study(replay_of(study), laboratory.workspace)
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert facts(laboratory.trials(again)) == facts(trials)

    asked = len(model_server.requests)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert len(model_server.requests) == asked  # the cap is as it was
    assert "is reached" in laboratory.study(study).message
    extend_study(study, laboratory.workspace, {"max_llm_tokens": "10M"})
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    assert laboratory.study(study).message == ""
    assert sum(t.rung == 0 for t in laboratory.trials(study)) == asking.trials + 1
    whole = create_study(replay_of(study), laboratory.workspace)
    assert run_study(whole, laboratory.workspace) is StudyState.FINISHED
    assert facts(laboratory.trials(whole)) == facts(laboratory.trials(study))


def test_a_replay_changes_nothing_and_says_where_it_departs(laboratory, asking, writer, tiny, answer):
    study = create_study(asking, laboratory.workspace)
    run_study(study, laboratory.workspace)
    for change, words in [
        ({"seed": 4}, "seed is 0 in study recall-1"),
        ({"workers": 1}, "workers is 2"),
        ({"llm_model": "x"}, "takes study, not model"),
        ({"max_usd": 1}, "max_usd"),
    ]:
        with pytest.raises(UsageError, match=words):
            create_study(StudyConfig.from_mapping({"llm": "replay", "replay": study, **change}), laboratory.workspace)
    create_study(StudyConfig.from_mapping({"llm": "replay", "replay": study, "seed": 0}), laboratory.workspace)
    plain = create_study(tiny, laboratory.workspace)
    with pytest.raises(UsageError, match="asked no language model"):
        create_study(replay_of(plain), laboratory.workspace)

    laboratory.sandbox.script = lambda job: worse(answer(job))
    again = create_study(replay_of(study), laboratory.workspace)
    with pytest.raises(NeuraMosaicError, match=rf"departs from study {study}|holds no answer"):
        run_study(again, laboratory.workspace)
    assert any("it was" in event.message for event in laboratory.journal(again) if event.kind == "differs")


def worse(result):
    training = result["training"]
    return {**result, "training": {**training, "val_loss": 10 - training["val_loss"]}}


def test_the_writer_itself_works_in_a_study_and_is_replayed(laboratory, asking, model_server, answering, monkeypatch):
    """The real writer between the real graph and a scripted sandbox: sketches come from the server."""
    monkeypatch.setattr("agents.bench.create_sandbox", lambda *_: ScriptedSandbox(bench_says))

    def behave(handler):
        form = model_server.requests[-1]["response_format"]["json_schema"]
        sketch = {"lines": ["h = silu(linear(x))", "return linear(h)"]}
        said = sketch if "lines" in form["schema"]["properties"] else answering(form["schema"])
        model_server.says(json.dumps(said))(handler)

    model_server.behaviours = [behave]
    study = create_study(asking, laboratory.workspace)
    assert run_study(study, laboratory.workspace) is StudyState.FINISHED
    writings = laboratory.writings(study)
    assert [writing.state is WritingState.OPEN for writing in writings] == [False] * asking.new_components
    assert all(writing.attempts > 0 for writing in writings)  # what they come to is up to the cards
    asked = len(model_server.requests)
    again = create_study(replay_of(study), laboratory.workspace)
    assert run_study(again, laboratory.workspace) is StudyState.FINISHED
    assert texts(laboratory.writings(again)) == texts(writings)
    assert facts(laboratory.trials(again)) == facts(laboratory.trials(study))
    assert len(model_server.requests) == asked


def bench_says(job):
    """Every component passes, and has as many parameters as two maps."""
    if job.request["kind"] == "count_component":
        widths, settings = job.request["widths"], job.request["settings"]
        return {"counts": [[2 * width * width for width in widths] for _ in settings]}
    return {
        "verification": {"passed": True, "checks": [{"name": "causal", "passed": True, "message": "", "seconds": 0.1}]}
    }
