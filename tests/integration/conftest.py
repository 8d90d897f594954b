import contextlib
import hashlib
import itertools
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import BaseModel

import graph.lab
import graph.workshop
from agents.bench import Verdict
from agents.curator import Proof, keep
from agents.llm.base import ModelError
from agents.writer.result import Failure, Written
from neuramosaic.analysis.payoff import LLM
from neuramosaic.components.card import Card
from neuramosaic.components.rule import WIDTHS, find_rule
from neuramosaic.components.spec import Provenance
from neuramosaic.search.bandit import choose
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.records import WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from neuramosaic.study import StudyConfig
from sandbox.scripted import ScriptedSandbox


def loss_of(job):
    """A loss that depends on the architecture alone, and falls with the tokens of training."""
    digest = hashlib.sha256(job.files["model.py"]).digest()
    return 1.0 + digest[0] / 256 + 1000 / job.request["training"]["tokens"]


def passing(job):
    """What the worker would write for a model that passes and learns."""
    loss = loss_of(job)
    return {
        "verification": {
            "passed": True,
            "checks": [{"name": "contract", "passed": True, "message": "", "seconds": 0.1}],
        },
        "training": {
            "val_loss": loss,
            "val_perplexity": 2.7**loss,
            "train_loss": loss,
            "tokens": job.request["training"]["tokens"],
            "steps": 4,
            "seconds": 0.5,
            "tokens_per_second": 1000.0,
            "flops": 1e9,
            "peak_memory_bytes": 1000,
            "params": job.request["expected_params"],
            "stopped": "finished",
        },
        "audit": {
            "passed": True,
            "checks": [{"name": "audit_leak", "passed": True, "message": "", "seconds": 0.1}],
        },
        "environment": {"python": "3.11", "torch": "2", "threads": 1, "device": "cpu"},
    }


@pytest.fixture
def answer():
    """The script of a sandbox in which every model passes and learns."""
    return passing


@pytest.fixture
def tiny():
    """A study small enough for tests: real task, real space, few tokens."""
    return StudyConfig(
        task="recall",
        params=20_000,
        trials=6,
        sampler="random",
        tokens=2_048,
        rungs=2,
        eta=2,
        batch_size=8,
        workers=1,
        threads=1,
        sandbox="process",
        space={"max_pattern": 1, "depth": (1, 2)},
    )


@dataclass
class Laboratory:
    """A workspace whose studies run in a scripted sandbox."""

    workspace: Path
    sandbox: ScriptedSandbox

    def trials(self, study):
        with Store.open(self.workspace) as store:
            return store.trials(study)

    def study(self, study):
        with Store.open(self.workspace) as store:
            return store.study(study)

    def writings(self, study):
        with Store.open(self.workspace) as store:
            return Writings(store).of_study(study)

    def calls(self, study):
        with Store.open(self.workspace) as store:
            return Ledger(store).calls(study)

    def journal(self, study):
        with Store.open(self.workspace) as store:
            return store.events(study)


@pytest.fixture
def laboratory(tmp_path, monkeypatch, answer):
    made = Laboratory(tmp_path / "ws", ScriptedSandbox(answer))
    monkeypatch.setattr(graph.lab, "create_sandbox", lambda name, config, on_progress: made.sandbox)
    return made


# -- a language model that answers something else each time ------------------------------------------------------------


def instance(schema, rng, root=None):
    """Return any value that fits a JSON schema of the designer."""
    root = root or schema
    if "$ref" in schema:
        return instance(root["$defs"][schema["$ref"].rpartition("/")[2]], rng, root)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if "const" in schema:
        return schema["const"]
    match schema["type"]:
        case "object":
            return {name: instance(part, rng, root) for name, part in schema["properties"].items()}
        case "array":
            length = rng.randint(schema.get("minItems", 0), min(schema.get("maxItems", 2), 2))
            return [instance(schema["items"], rng, root) for _ in range(length)]
        case "integer":
            return rng.randint(schema.get("minimum", 0), schema.get("maximum", 9))
        case "number":
            return round(rng.uniform(1.0, 3.0), 3)
        case _:
            return "part " + "".join(rng.choices("abcdefgh", k=8))


@pytest.fixture
def answering():
    """Return something that fits a JSON schema, never twice the same."""
    counter = itertools.count(random.Random().randrange(10**9))
    return lambda schema: instance(schema, random.Random(next(counter)))


@pytest.fixture
def whim(model_server, answering, monkeypatch):
    """Make the loopback server answer every prompt with something that fits."""
    monkeypatch.setattr("agents.llm.client.FIRST_WAIT_S", 0.001)

    def behave(handler):
        form = model_server.requests[-1]["response_format"]["json_schema"]
        model_server.says(json.dumps(answering(form["schema"])))(handler)

    model_server.behaviours = [behave]
    return behave


SOURCE = '''
import torch
from torch import Tensor, nn


class Part(nn.Module):
    """Adds what came just before."""

    def __init__(self, d_model: int):
        super().__init__()
        self.weight = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, T, D) in and out."""
        return self.weight(x) + torch.nn.functional.pad(x, (0, 0, 1, 0))[:, :-1]
'''


class Note(BaseModel):
    sum: int


class FakeWriter:
    """Stands for the component writer: asks twice for each card, and keeps a component without proving it."""

    crash: type[BaseException]
    crash_at = None
    fails = ()

    def __init__(self, model, bench, store, workspace, *, limits=None, on_progress=None):
        self.model, self.store, self.workspace, self.tell = model, store, workspace, on_progress

    def write(self, writing, known, *, again=False):
        attempts, failures = 0, []
        for attempt in (1, 2):
            try:
                self.model.ask(
                    "connection_test",
                    {"left": attempt, "right": 3},
                    Note,
                    purpose="write",
                    trial=writing.id,
                    occurrence=0,
                )
            except ModelError as error:
                failures.append(Failure("model", str(error)))
                break
            attempts += 1
            self.tell(f"{writing.slot} {writing.name}: attempt {attempt}")
            if FakeWriter.crash_at == attempt:
                raise FakeWriter.crash
        card = Card.from_yaml(writing.card)
        verified = not failures and writing.number not in FakeWriter.fails
        if not verified:
            failures = failures or [Failure("causal", "it sees the future")]
        component = None
        if verified:
            spec = card.spec(SOURCE, "Part", provenance=Provenance.DESIGNED, uses_position=False)
            proof = Proof(Verdict(True, [], {}), find_rule((), [{}], [[width * width for width in WIDTHS]]))
            component = keep(
                spec,
                card,
                proof,
                self.store,
                self.workspace,
                origin="a language model",
                provenance=Provenance.DESIGNED,
                writing=writing.id,
            )
        tokens = self.model.used(writing.id, ("connection_test",))
        done = replace(
            writing,
            state=WritingState.VERIFIED if verified else WritingState.FAILED,
            model=self.model.provider.model,
            depth="code" if verified else None,
            version=component.version if component else None,
            commit=component.commit if component else None,
            attempts=attempts,
            tokens=tokens.tokens_in + tokens.tokens_out,
            failures=tuple(failure.to_json() for failure in failures),
        )
        Writings(self.store).finish(done)
        return Written(card.name, verified, attempts, done.tokens, 0.1, tuple(failures), done.depth, component)


@pytest.fixture
def writer(monkeypatch):
    """Put the fake in the place of the writer, and nothing in the place of its bench."""
    monkeypatch.setattr(FakeWriter, "crash_at", None)
    monkeypatch.setattr(FakeWriter, "fails", ())
    monkeypatch.setattr(graph.workshop, "ComponentWriter", FakeWriter)
    monkeypatch.setattr(graph.workshop, "Bench", lambda backend: contextlib.nullcontext())
    return FakeWriter


@pytest.fixture
def asking(tiny, model_server, whim, monkeypatch):
    """A study that asks the loopback server, in two slots of three."""

    def generous(plays, arms, rng):
        made = choose(plays, arms, rng)
        return replace(made, arm=LLM) if LLM in arms and len(plays) % 3 else made

    monkeypatch.setattr("agents.designer.designer.choose", generous)
    monkeypatch.setattr("agents.designer.designer.CARD_EVERY", 2)
    return StudyConfig.from_mapping(
        {
            **tiny.to_json(),
            "trials": 10,
            "workers": 2,
            "llm": "openai",
            "llm_url": model_server.url,
            "llm_model": "m",
            "new_components": 2,
        }
    )
