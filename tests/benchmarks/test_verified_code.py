"""The benchmark of verified code with scripted answers and verdicts: what it counts, keeps, and prints."""

import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from agents.bench import Verdict
from agents.curator import Proof
from agents.llm.base import RefusedError, TruncatedError, UnreachableError, Usage
from agents.llm.client import LanguageModel
from agents.llm.scripted import ScriptedProvider
from agents.writer.result import Failure, Written
from benchmarks import verified_code_arms
from benchmarks.verified_code import CARDS, METRICS, GradedCard, Meter, Results, main, measure
from benchmarks.verified_code_arms import Direct, Ours, Outcome
from benchmarks.verified_code_table import report, summary, wilson
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import ParameterRule
from neuramosaic.errors import UsageError
from neuramosaic.seeds import stream
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store

GEGLU = Card.from_file(CARDS / "geglu.yaml")
HIGHWAY = Card.from_file(CARDS / "highway.yaml")
GOOD = "from torch import nn\n\n\nclass Good(nn.Module):\n    pass\n"
BAD = GOOD.replace("Good", "Bad")
SETTINGS = {"model": "script", "tokens": 1000}


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def direct(store, monkeypatch):
    """Make the direct arm with a script; a class named Good is proved, any other fails `causal`."""

    def prove(spec, card, bench, known):
        checks = [{"name": "contract", "passed": True, "message": "", "seconds": 0.0}]
        verdict = Verdict(True, checks, {})
        if spec.class_name == "Good":
            return Proof(verdict, ParameterRule((), ((),), (((0, 0, 0),),)))
        return Proof(verdict.failing("causal", "it sees the future"), None)

    monkeypatch.setattr(verified_code_arms, "prove", prove)

    def make(script, *, tokens=1_000_000, slots=1):
        provider = ScriptedProvider(script, slots=slots)
        model = LanguageModel(provider, Ledger(store), rng=stream(0), attempts=1)
        return Direct(model, store, None, catalogue(), tokens=tokens), provider

    return make


def code(text):
    return json.dumps({"code": text})


def test_samples_are_asked_for_until_one_is_proved(direct, store):
    arm, provider = direct([code(BAD), code("x ="), code("```python\n" + GOOD + "```"), code(GOOD)])
    outcome = arm.write(GEGLU)
    assert (outcome.verified, outcome.attempts) == (True, 3)
    assert [failure["check"] for failure in outcome.failures] == ["causal", "parse"]
    assert outcome.failures[0]["message"] == "it sees the future"
    assert len(provider.requests) == 3
    assert outcome.tokens == sum(call.tokens_in + call.tokens_out for call in Ledger(store).calls())


def test_no_candidate_fails_for_the_spelling_of_its_class(direct):
    good = Card.from_yaml(GEGLU.to_yaml().replace("name: geglu", "name: good"))
    arm, _ = direct([code(GOOD.replace("Good", "good"))])
    assert arm.write(good).verified


def test_what_cannot_be_a_component_is_a_failed_candidate(direct, monkeypatch):
    def refuse(spec, card, bench, known):
        raise UsageError("class_name is not valid")

    arm, _ = direct(lambda request: code(GOOD), tokens=1)
    monkeypatch.setattr(verified_code_arms, "prove", refuse)
    assert [failure["check"] for failure in arm.write(GEGLU).failures] == ["parse"]


def test_samples_are_independent(direct):
    """No sample is told what was wrong with the one before it."""
    arm, provider = direct(["prose", code(BAD), code(GOOD)])
    assert arm.write(GEGLU).failures[0]["check"] == "answer"
    assert len({request.messages for request in provider.requests}) == 1


def test_a_budget_is_used_up_and_not_much_more(direct):
    one = direct([code(GOOD)])[0].write(GEGLU).tokens
    outcome = direct(lambda request: code(BAD), tokens=3 * one)[0].write(GEGLU)
    assert not outcome.verified
    assert 3 * one <= outcome.tokens < 4 * one
    assert outcome.attempts == len(outcome.failures) >= 3


def test_an_answer_that_was_cut_off_is_a_failed_candidate(direct):
    arm, _ = direct([TruncatedError("cut", usage=Usage(70, 30)), code(GOOD)])
    outcome = arm.write(GEGLU)
    assert [(failure["check"], failure["message"]) for failure in outcome.failures] == [("answer", "cut")]
    assert (outcome.verified, outcome.attempts) == (True, 2)
    assert outcome.tokens > 100


def test_a_server_that_refuses_says_nothing_of_the_model(direct):
    arm, _ = direct([RefusedError("no")])
    with pytest.raises(RefusedError):
        arm.write(GEGLU)


def test_all_slots_are_used_and_their_tokens_count(direct, store):
    arm, provider = direct([code(GOOD), code(GOOD)], slots=2)
    outcome = arm.write(GEGLU)
    assert (outcome.attempts, len(provider.requests)) == (1, 2)
    assert outcome.tokens == sum(call.tokens_in + call.tokens_out for call in Ledger(store).calls())


def test_the_prompt_tells_the_signature_and_the_card(direct):
    arm, provider = direct([code(GOOD), code(GOOD)])
    arm.write(GEGLU)
    arm.write(HIGHWAY)
    channel, modulator = (request.messages[-1].content for request in provider.requests)
    assert "def __init__(self, d_model, expansion=2)" in channel
    assert GEGLU.to_yaml().strip() in channel
    assert "block" not in channel
    assert "def __init__(self, d_model, block)" in modulator
    assert "self.block(x)" in modulator


def test_our_writer_has_the_same_budget_and_starts_afresh_at_each_card(store, tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class WriterLimits:
        attempts: int = 12
        tokens: int = 40_000

    class ComponentWriter:
        def __init__(self, model, bench, store, workspace, *, limits, on_progress):
            self.limits, self.asked = limits, []

        def write(self, writing, known, *, again=False):
            self.asked.append((writing, known, again))
            return Written(writing.name, True, 3, self.limits.tokens, 9.5, (Failure("causal", "m"),) * 2, "sketch")

    writer = SimpleNamespace(ComponentWriter=ComponentWriter, WriterLimits=WriterLimits)
    monkeypatch.setitem(sys.modules, "agents.writer.writer", writer)
    arm = Ours(None, store, None, catalogue(), workspace=tmp_path, tokens=777)
    outcome = arm.write(GEGLU)
    arm.write(HIGHWAY)
    assert outcome == Outcome(True, 3, 777, 9.5, [{"check": "causal", "message": "m"}] * 2, "sketch")
    (first, known, again), (second, *_) = arm._writer.asked
    assert (Card.from_yaml(first.card), Card.from_yaml(second.card)) == (GEGLU, HIGHWAY)
    assert again
    assert known.version == catalogue().version


class Scripted:
    """An arm whose outcomes are known."""

    def __init__(self, name, *outcomes):
        self.name, self.outcomes, self.asked = name, iter(outcomes), []

    def write(self, card):
        self.asked.append(card.name)
        outcome = next(self.outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


YES = Outcome(True, 1, 1500, 20.0)
NO = Outcome(False, 2, 3000, 60.0, [{"check": "causal", "message": "m"}, {"check": "parse", "message": "m"}])
OURS = Outcome(True, 2, 2500, 40.0, [{"check": "causal", "message": "m"}], depth="sketch")
CHOSEN = [GradedCard(GEGLU, "easy"), GradedCard(HIGHWAY, "hard")]


def test_what_is_finished_is_kept_and_not_done_again(tmp_path):
    results, meter = Results(tmp_path, SETTINGS), Meter(ScriptedProvider([]))
    interrupted = Scripted("direct", YES, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        measure([interrupted], CHOSEN, results, meter)
    again = Scripted("direct", NO)
    measure([again], CHOSEN, Results(tmp_path, SETTINGS), meter)
    assert again.asked == ["highway"]
    assert results.find("direct", GEGLU)["tokens"] == 1500
    assert results.find("ours", GEGLU) is None


def test_results_of_other_settings_are_refused(tmp_path):
    measure([Scripted("direct", YES)], CHOSEN[:1], Results(tmp_path, SETTINGS), Meter(ScriptedProvider([])))
    with pytest.raises(UsageError, match="name another --workspace"):
        Results(tmp_path, {**SETTINGS, "tokens": 2000}).find("direct", GEGLU)
    changed = GEGLU.model_copy(update={"summary": "Another one"})
    with pytest.raises(UsageError, match="name another --workspace"):
        Results(tmp_path, SETTINGS).find("direct", changed)


@pytest.fixture
def finished(tmp_path):
    results = Results(tmp_path, SETTINGS)
    arms = [Scripted("direct", YES, NO), Scripted("ours", OURS, YES)]
    measure(arms, CHOSEN, results, Meter(ScriptedProvider([])))
    return [results.find(arm.name, graded.card) for graded in CHOSEN for arm in arms]


def test_the_tables_hold_what_was_counted(finished):
    by_card, by_check, rates, speeds = ([line.split() for line in part.splitlines()] for part in table(finished))
    assert by_card[1] == "geglu channel easy verified 1 1,500 20 verified sketch 2 2,500 40".split()
    assert by_card[2] == "highway modulator hard no 2 3,000 60 verified - 1 1,500 20".split()
    assert ["causal", "1", "1"] in by_check
    assert ["parse", "1", "0"] in by_check
    assert by_check[-1] == ["candidates", "that", "failed", "2", "1"]
    assert rates[1][:5] == ["direct", "all", "1/2", "=", "50"]
    assert speeds[1] == ["direct", "-", "-", "-"]


def test_speeds_come_from_the_sums(finished):
    counts = {"prompt_tokens": 100.0, "cached_tokens": 300.0, "prompt_seconds": 2.0}
    answers = {"answer_tokens": 60.0, "answer_seconds": 6.0}
    measured = [{**result, "speed": {**counts, **answers}} for result in finished]
    assert [line.split() for line in table(measured)[3].splitlines()][1] == ["direct", "50.0", "10.0", "75", "%"]
    found = summary(measured)["ours"]
    assert (found["verified"], found["cards"], found["first_candidate"]) == (2, 2, 1)
    assert found["speed"]["prompt_tokens"] == 200.0


def test_a_meter_reads_what_llama_cpp_counts(monkeypatch):
    counts = {"prompt_tokens": 33.0, "cached_tokens": 31.0, "prompt_seconds": 3.5, "answer_tokens": 19.0}
    counts["answer_seconds"] = 5.25
    lines = ["# TYPE llamacpp:prompt_tokens_total counter", "llamacpp:n_decode_total 19"]
    lines += [f"{METRICS[name]} {value:g}" for name, value in counts.items()]
    with loopback({"/metrics": "\n".join(lines)}) as address:
        provider = ScriptedProvider([])
        provider.address = address
        meter = Meter(provider)
        assert meter.read() == counts
        assert meter.since({**counts, "answer_tokens": 9.0})["answer_tokens"] == 10.0
    with pytest.raises(UnreachableError, match="the server of the local model has ended"):
        meter.read()
    assert Meter(ScriptedProvider([])).read() is None


@contextmanager
def loopback(pages):
    """Serve texts on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[self.path].encode())

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def table(results):
    return report(results).split("\n\n")


def test_an_interval_is_wilsons():
    assert wilson(8, 20) == pytest.approx((0.2188, 0.6134), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(20, 20)[1] == 1.0


def test_a_wrong_option_is_told(capsys):
    assert main(["--llm", "local", "--cards", "nothing"]) == 2
    assert "no card matches 'nothing'" in capsys.readouterr().err
