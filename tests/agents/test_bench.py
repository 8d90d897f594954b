"""The bench: several jobs at once, and code that brings its worker down has failed a check."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents import bench as bench_module
from agents.bench import Bench
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import NoRuleError
from neuramosaic.components.spec import Provenance
from neuramosaic.errors import SandboxError
from neuramosaic.verify.catalogue import VerificationJob, verification_job
from sandbox.base import Exit, Limits
from sandbox.scripted import ScriptedSandbox

WORK = VerificationJob({"kind": "verify_component"}, {})
FINE = {"name": "contract", "passed": True, "message": "", "seconds": 0.1}
PASSED = {"verification": {"passed": True, "checks": [FINE]}}
CODE = """
import torch
from torch import nn


class Mine(nn.Module):
    def __init__(self, d_model: int):
        super().__init__()
        self.linear = nn.Linear(d_model, d_model)

    def forward(self, x):
        {statement}
        return self.linear(x)
"""


@pytest.fixture
def scripted(monkeypatch):
    """Return a function that makes benches use a scripted sandbox."""

    def use(script, **settings):
        sandbox = ScriptedSandbox(script, **settings)
        monkeypatch.setattr(bench_module, "create_sandbox", lambda *_: sandbox)
        return sandbox

    return use


def mine(statement):
    card = Card(name="mine", slot="channel", summary="Mine")
    return card.spec(CODE.format(statement=statement), "Mine", provenance=Provenance.DESIGNED)


def test_no_more_jobs_run_at_once_than_there_are_workers(scripted):
    running, most, lock, both = 0, 0, threading.Lock(), threading.Barrier(2)

    def script(job):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(10)  # breaks unless two jobs run at once
        with lock:
            running -= 1
        return PASSED

    sandbox = scripted(script)
    with Bench("docker", workers=2) as bench, ThreadPoolExecutor(6) as threads:
        verdicts = list(threads.map(lambda index: bench.verify("mine", WORK, {"index": index}), range(6)))
    assert most == 2
    assert [verdict.hyperparameters["index"] for verdict in verdicts] == list(range(6))
    assert all(verdict.passed for verdict in verdicts)
    assert len(sandbox.jobs) == 6


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Exit.TIMEOUT, "; let no loop run over positions one by one"),
        (Exit.OUT_OF_MEMORY, "; keep no tensor much larger"),
        (Exit.KILLED, "; let the code neither end its process nor start others"),
        (Exit.ERROR, "exit status 1: no message; let the code neither"),
        ({"verification": None}, "result.json has no verification"),
        ({"error": {"type": "KeyError", "message": "'x'", "traceback": ""}}, "KeyError: 'x'"),
        ({"verification": {"passed": False, "checks": [FINE]}}, "verification failed"),
        ({"verification": "yes"}, "the job left no valid result.json"),
    ],
)
def test_a_job_without_a_verdict_is_a_failed_check(scripted, end, words):
    scripted(lambda job: end)
    with Bench("docker") as bench:
        verdict = bench.verify("mine", WORK, {})
    assert not verdict.passed
    assert verdict.checks[-1]["name"] == "finished"
    assert words in verdict.checks[-1]["message"]


def test_a_failed_check_stays_what_failed(scripted):
    failed = {"name": "causal", "passed": False, "message": "it looks ahead", "seconds": 0.1}
    scripted(lambda job: {"verification": {"passed": False, "checks": [FINE, failed]}})
    with Bench("docker") as bench:
        assert bench.verify("mine", WORK, {}).checks == [FINE, failed]


def test_a_sandbox_that_fails_is_no_verdict(scripted):
    def script(job):
        raise SandboxError("the engine is gone")

    scripted(script)
    with Bench("docker") as bench:
        with pytest.raises(SandboxError, match="the engine is gone"):
            bench.verify("mine", WORK, {})
        with pytest.raises(SandboxError, match="the engine is gone"):
            bench.count(mine("pass"), [{}], [16])


def test_a_bench_that_is_closed_gives_no_verdict_on_what_it_ended(scripted):
    def script(job):
        bench.__exit__(None, None, None)
        return Exit.KILLED

    scripted(script)
    bench = Bench("docker")
    with pytest.raises(SandboxError, match="closed before there was a verdict on mine"):
        bench.verify("mine", WORK, {})


def test_what_a_job_leaves_is_gone_once_it_is_read(scripted, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scripted(lambda job: PASSED)
    with Bench("docker") as bench:
        bench.verify("mine", WORK, {})
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "check", "words"),
    [
        ("torch._C._abort()", "finished", "during contract: exit status 134"),
        ("while x.shape[1] == 320: pass", "finished", "during longer: wall limit of 5 s; let no loop run"),
        (
            "[torch.ones(2**28).add_(1) for _ in range(64)]",
            "finished",
            "out of memory: more than 768 MiB; keep no",
        ),
        ("raise SystemExit(0)", "contract", "SystemExit at component.py:12: 0; fix this line"),
        ("__builtins__['__import__']('os')._exit(0)", "contract", "the process ended during this check; let the code"),
    ],
)
def test_code_that_brings_its_worker_down_has_failed(statement, check, words, monkeypatch):
    monkeypatch.setattr(bench_module, "LIMITS", Limits(wall_s=5, memory_mib=768))
    spec = mine(statement)
    with Bench("process") as bench:
        verdict = bench.verify("mine", verification_job(spec, catalogue()), {})
        assert not verdict.passed
        assert verdict.checks[-1]["name"] == check, verdict.checks
        assert all(item["passed"] for item in verdict.checks[:-1])
        assert words in verdict.checks[-1]["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("docker", "bubblewrap")],
)
def test_two_candidates_at_once_where_code_is_confined(backend, monkeypatch):
    monkeypatch.setattr(bench_module, "LIMITS", Limits(wall_s=60, memory_mib=768))
    bomb = mine("[x for x in [[torch.ones(2**24)] for _ in range(64)]]")
    sound = mine("pass")
    with Bench(backend, workers=2) as bench, ThreadPoolExecutor(2) as threads:
        jobs = [verification_job(spec, catalogue()) for spec in (bomb, sound)]
        killed, passed = threads.map(lambda job: bench.verify("mine", job, {}), jobs)
    assert "during contract: out of memory: more than 768 MiB" in killed.checks[-1]["message"]
    assert passed.passed, passed.checks


@pytest.mark.slow
def test_code_that_ends_its_process_cannot_be_counted():
    spec = mine("pass")
    ending = spec.source.replace("super().__init__()", "raise SystemExit(3)")
    with Bench("process") as bench, pytest.raises(NoRuleError, match="cannot be built at every width from 16 to 17"):
        bench.count(
            Card(name="mine", slot="channel", summary="Mine").spec(ending, "Mine", provenance="own"), [{}], [16, 17]
        )
