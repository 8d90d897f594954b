"""The writer: which ways it goes, what it shows of what failed, what it may use, and what it leaves behind."""

import json

import pytest

from agents import bench as bench_module
from agents.bench import Bench
from agents.llm.base import Answer, BudgetSpentError, RefusedError, Usage
from agents.llm.budget import Budget
from agents.llm.replay import ReplayProvider
from agents.llm.scripted import ScriptedProvider
from agents.writer.writer import ComponentWriter, WriterLimits, component_file
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.errors import UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import WritingState
from neuramosaic.store.writings import Writings
from sandbox.scripted import ScriptedSandbox

SPOKEN = Card.from_mapping({"name": "plain", "slot": "channel", "summary": "Two maps and a nonlinearity between them"})
READABLE = Card.from_mapping(
    {
        "name": "gated_unit",
        "slot": "channel",
        "summary": "A map and a gate",
        "equations": ["y_t = W_o (W_v x_t * sigmoid(W_g x_t))"],
    }
)
OTHER = READABLE.model_copy(update={"equations": []})
STUDY = "recall-1"


def lines(*written):
    return Answer(json.dumps({"lines": written}), Usage(100, 10))


def code(statement):
    """An answer that is a whole class."""
    source = f"""class Plain(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.up = nn.Linear(d_model, d_model)

    def forward(self, x):
        return {statement}
"""
    return Answer(json.dumps({"code": source}), Usage(200, 50))


GOOD = lines("h = silu(linear(x, 2 * d_model))", "return linear(h)")
BAD = lines("h = tanh(linear(x))", "return linear(h)")
WORSE = lines("return linear(relu(tanh(linear(x))))")


def judge(job):
    """Pass and count everything but a component with a tanh, which sees the future in that line."""
    request = job.request
    if request["kind"] == "count_component":
        return {"counts": [[width * width for width in request["widths"]] for _ in request["settings"]]}
    (source,) = job.files.values()
    numbers = [number for number, line in enumerate(source.decode().splitlines(), 1) if "tanh" in line]
    check = {"name": "causal", "passed": not numbers, "message": "", "seconds": 0.1}
    if numbers:
        check["message"] = f"it sees the future (component.py:{numbers[0]})"
    return {"verification": {"passed": not numbers, "checks": [check]}}


@pytest.fixture
def sandbox(monkeypatch):
    made = ScriptedSandbox(judge)
    monkeypatch.setattr(bench_module, "create_sandbox", lambda *_: made)
    return made


@pytest.fixture
def write(sandbox, store, tmp_path, make):
    """Have a card written; return what came of it, its writing and the provider, which knows what it was asked."""

    def run(script, card=SPOKEN, *, study=None, number=None, again=False, limits=None, tell=None, **model):
        provider = script if hasattr(script, "complete") else ScriptedProvider(script)
        writing = Writings(store).add(card, source="person", study=study, number=number)
        with Bench("docker") as bench:
            writer = ComponentWriter(
                make(provider, study=study, **model), bench, store, tmp_path, limits=limits, on_progress=tell
            )
            written = writer.write(writing, catalogue(), again=again)
        return written, Writings(store).get(writing.id), provider

    return run


def prompts(provider):
    return [request.prompt for request in provider.requests]


def test_equations_that_can_be_read_need_no_model(write, store, tmp_path):
    written, writing, provider = write([], READABLE)
    assert written.verified
    assert (written.depth, written.attempts, written.tokens, written.failures) == ("equations", 1, 0, ())
    assert provider.requests == []
    assert (writing.state, writing.depth, writing.version) == (
        WritingState.VERIFIED,
        "equations",
        written.component.version,
    )
    assert written.component.provenance == "designed"
    assert written.component.origin == "the equations of its card, read by rule"
    assert written.file == component_file(tmp_path, written.component)
    assert "class GatedUnit" in written.file.read_text()


def test_what_cannot_be_read_is_written_as_a_sketch_and_kept_with_its_transcript(write, store, tmp_path):
    written, writing, _ = write([BAD, GOOD], study=STUDY)
    assert (written.verified, written.depth, written.attempts, written.tokens) == (True, "sketch", 2, 220)
    assert [failure.check for failure in written.failures] == ["causal"]
    assert writing.commit == written.component.commit
    repository = CodeRepository(tmp_path / "code")
    assert Card.from_yaml(repository.read(writing.commit, CARD)) == SPOKEN
    assert repository.read(writing.commit, SOURCE) == written.file.read_text()
    transcript = repository.read(writing.commit, "transcript.json")
    first, second = json.loads(transcript)
    assert first.keys() == {"depth", "written", "check", "message"}
    assert (first["depth"], first["check"], second) == (
        "sketch",
        "causal",
        {"depth": "sketch", "written": "h = silu(linear(x, 2 * d_model))\nreturn linear(h)"},
    )
    assert STUDY not in transcript


def test_a_repair_shows_the_check_that_failed_and_the_line(write):
    _, _, provider = write([BAD, GOOD])
    assert prompts(provider) == ["write_sketch", "repair_sketch"]
    *_, shown, failure = (message.content for message in provider.requests[1].messages)
    assert json.loads(shown)["lines"] == ["h = tanh(linear(x))", "return linear(h)"]
    assert "causal: it sees the future" in failure
    assert "(in: h = torch.tanh(" in failure


def test_after_a_repair_that_does_not_help_it_starts_afresh(write):
    written, _, provider = write([BAD, WORSE, GOOD])
    assert prompts(provider) == ["write_sketch", "repair_sketch", "write_sketch"]
    assert (written.verified, written.attempts) == (True, 3)
    assert not any("tanh(linear" in message.content for message in provider.requests[2].messages)


def test_the_last_attempts_are_whole_classes(write):
    answers = [BAD, WORSE, lines("return tanh(x)"), lines("return linear(tanh(x))"), code("torch.tanh(self.up(x))")]
    written, writing, provider = write([*answers, GOOD], limits=WriterLimits(attempts=5))
    assert prompts(provider)[-1] == "write_component"
    assert "causal: it sees the future" in provider.requests[-1].messages[-1].content
    assert (written.verified, written.attempts, writing.attempts) == (False, 5, 5)
    assert (writing.state, len(writing.failures)) == (WritingState.FAILED, 5)
    written, *_ = write([*answers[:4], code("self.up(x)")], limits=WriterLimits(attempts=5), again=True)
    assert (written.verified, written.depth) == (True, "code")


def test_no_more_is_asked_once_the_tokens_are_used(write):
    written, _, provider = write([BAD, GOOD], limits=WriterLimits(tokens=1))
    assert (written.verified, written.attempts, len(provider.requests)) == (False, 1, 1)


def test_a_failure_is_remembered_at_no_cost(write):
    limits = WriterLimits(attempts=2)
    first, *_ = write([BAD, WORSE], limits=limits)
    told = []
    second, writing, provider = write([], tell=told.append)
    assert (second.remembered, second.verified, second.tokens, second.attempts) == (True, False, 0, 0)
    assert (second.failures, provider.requests) == (first.failures, [])
    assert (writing.state, writing.tokens, len(writing.failures)) == (WritingState.FAILED, 0, 2)
    assert told == ["plain: failed before as writing c0, not asked again"]
    third, *_ = write([GOOD], again=True)
    assert third.verified


def test_the_same_is_not_proved_twice(write, sandbox):
    written, *_ = write([BAD, BAD, GOOD])
    assert [failure.check for failure in written.failures] == ["causal", "repeated"]
    assert sum(b"tanh" in job.files["component.py"] for job in sandbox.jobs if "component.py" in job.files) == 1


@pytest.mark.parametrize("answer", [lines(""), lines("return " + "(" * 3000), lines("return x" + " + x" * 5000)])
def test_an_answer_that_cannot_be_read_is_an_attempt_that_failed(write, answer):
    written, *_ = write([answer, GOOD])
    assert written.verified
    assert [failure.check for failure in written.failures] == ["sketch"]


def test_a_model_that_does_not_answer_fails_the_writing_and_is_not_held_against_the_card(write):
    refusal = RefusedError("no such model")
    written, writing, _ = write([BAD, refusal])
    assert [failure.check for failure in written.failures] == ["causal", "model"]
    assert (writing.state, written.attempts) == (WritingState.FAILED, 1)
    again, *_ = write([GOOD])
    assert again.verified


def test_a_cap_leaves_the_writing_open(write, store):
    with pytest.raises(BudgetSpentError):
        write([GOOD], budget=Budget(100))
    (writing,) = Writings(store).of_study(None)
    assert writing.state is WritingState.OPEN
    assert store.components() == []


def test_what_was_cut_short_goes_on_from_the_ledger_and_ends_the_same(write, store):
    class Stop(Exception):
        pass

    def stop(line):
        if "attempt 2" in line:
            raise Stop

    with pytest.raises(Stop):
        write([BAD, WORSE], study=STUDY, number=0, tell=stop)
    assert Writings(store).get(f"{STUDY}.c0").state is WritingState.OPEN
    written, resumed, provider = write([GOOD], study=STUDY, number=0)
    assert written.verified
    assert prompts(provider) == ["write_sketch"]
    whole = store.create_study("recall", {}, {}, "v").id
    _, uninterrupted, _ = write([BAD, WORSE, GOOD], study=whole, number=0)
    facts = [
        (record.depth, record.version, record.commit, record.attempts, record.tokens, record.failures)
        for record in (resumed, uninterrupted)
    ]
    assert facts[0] == facts[1]


def test_a_replay_writes_the_same_and_knows_what_was_remembered(write, store):
    write([BAD, WORSE], SPOKEN, limits=WriterLimits(attempts=2))
    _, then, _ = write([GOOD], OTHER, study=STUDY, number=0)
    _, remembered, _ = write([], SPOKEN, study=STUDY, number=1)
    replay = store.create_study("recall", {}, {}, "v").id
    provider = ReplayProvider(Ledger(store), STUDY)
    _, now, _ = write(provider, OTHER, study=replay, number=0, again=True)
    assert (now.commit, now.tokens, now.attempts) == (then.commit, then.tokens, then.attempts)
    _, still, _ = write(provider, SPOKEN, study=replay, number=1)
    assert (still.failures, still.attempts, still.tokens) == (remembered.failures, 0, 0)


@pytest.mark.parametrize("change", [{"slot": "position"}, {"slot": "residual"}, {"slot": "mixer", "name": "attention"}])
def test_a_card_whose_component_cannot_be_added_is_refused_before_anything_is_asked(write, store, change):
    with pytest.raises(UsageError):
        write([GOOD], Card.from_mapping({**SPOKEN.model_dump(mode="json", exclude_defaults=True), **change}))
    assert Ledger(store).calls() == []


def test_a_server_is_asked_for_several_at_once_and_what_costs_nothing_to_refuse_comes_first(write, sandbox):
    script = ScriptedProvider([BAD, lines("return nonsense("), GOOD], slots=3)
    written, _, provider = write(script)
    assert prompts(provider) == ["write_sketch"] * 3
    assert len({request.messages for request in provider.requests}) == 1
    assert provider.requests[0].temperature > 0  # else they would all be the same
    assert written.verified
    assert [failure.check for failure in written.failures] == ["sketch", "causal"]


def test_of_several_the_one_that_got_furthest_is_repaired(write):
    script = ScriptedProvider([BAD, lines("return nonsense("), lines("return ("), GOOD], slots=3)
    written, _, provider = write(script)
    assert prompts(provider)[3:] == ["repair_sketch"]
    assert "causal" in provider.requests[3].messages[-1].content
    assert written.verified


def test_no_more_are_asked_for_than_may_be_tried(write):
    script = ScriptedProvider([lines(f"return linear(tanh({number} * x))") for number in (1, 2, 3)], slots=8)
    written, _, provider = write(script, limits=WriterLimits(attempts=2))
    assert not written.verified
    assert len(provider.requests) == 2
