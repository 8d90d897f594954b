"""The curator: what is proved and how, and what is kept."""

import json

import pytest

from agents import bench as bench_module
from agents.bench import Bench, Verdict
from agents.component_file import parse_component
from agents.curator import Proof, keep, prove
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import WIDTHS, ParameterRule
from neuramosaic.components.spec import Provenance
from neuramosaic.errors import InvalidValueError, UnknownNameError, UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE, workspace_catalogue
from neuramosaic.store.store import Store
from sandbox.scripted import ScriptedSandbox

CODE = """
import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self, d_model: int, steps: int = 2, gate: str = "none", *, position=None):
        super().__init__()
        self.linear = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x):
        return self.linear(x)
"""
CARD_OF_IT = Card.from_yaml(
    """
name: scaled
slot: mixer
summary: A linear map
hyperparameters:
  - {name: steps, kind: integer, domain: [1, 3], default: 2}
  - {name: gate, kind: categorical, domain: [none, sigmoid], default: none}
"""
)
FINE = {"name": "contract", "passed": True, "message": "", "seconds": 0.1}
PROOF = Proof(Verdict(True, [FINE], {}), ParameterRule((), ((),), (((256, 33, 2),),)))


def sandbox(monkeypatch, fails=lambda request: False):
    """Make benches use a sandbox that passes everything but what `fails`, and counts D * D."""

    def script(job):
        if job.request["kind"] == "count_component":
            return {"counts": [[width * width for width in job.request["widths"]] for _ in job.request["settings"]]}
        passed = not fails(job.request)
        return {
            "verification": {
                "passed": passed,
                "checks": [{**FINE, "passed": passed, "message": "" if passed else "no"}],
            }
        }

    made = ScriptedSandbox(script)
    monkeypatch.setattr(bench_module, "create_sandbox", lambda *_: made)
    return made


def proved(monkeypatch, source=CODE, card=CARD_OF_IT, known=None, **options):
    made = sandbox(monkeypatch, **options)
    spec = parse_component(source, card, where="answer 1", provenance=Provenance.DESIGNED)
    with Bench("docker") as bench:
        return prove(spec, card, bench, known or catalogue()), made.jobs


def test_a_component_is_proved_at_its_defaults_at_its_corners_counted_and_in_a_model(monkeypatch):
    proof, jobs = proved(monkeypatch)
    assert proof.passed
    settings = [job.request.get("hyperparameters") for job in jobs[:3]]
    assert settings == [
        {"steps": 2, "gate": "none"},
        {"steps": 1, "gate": "none"},
        {"steps": 3, "gate": "sigmoid"},
    ]
    assert [job.request["kind"] for job in jobs[3:]] == ["count_component", "verify_model"]
    assert (len(jobs[3].request["settings"]), tuple(jobs[3].request["widths"])) == (6, WIDTHS)
    assert jobs[4].request["expected_params"] > 0
    assert b"class Scaled" in jobs[4].files["model.py"]
    assert proof.rule.count(40, {"steps": 1, "gate": "sigmoid"}) == 1600
    assert proof.verdict.hyperparameters == {"steps": 2, "gate": "none"}


@pytest.mark.parametrize(
    ("fails", "jobs", "settings"),
    [
        (lambda request: True, 1, {"steps": 2, "gate": "none"}),
        (lambda request: request.get("hyperparameters", {}).get("steps") == 3, 3, {"steps": 3, "gate": "sigmoid"}),
    ],
)
def test_the_first_failure_ends_it(monkeypatch, fails, jobs, settings):
    proof, run = proved(monkeypatch, fails=fails)
    assert (proof.passed, proof.rule, len(run)) == (False, None, jobs)
    assert proof.verdict.hyperparameters == settings


def test_what_fails_in_a_model_says_so(monkeypatch):
    proof, run = proved(monkeypatch, fails=lambda request: request["kind"] == "verify_model")
    assert (proof.passed, len(run)) == (False, 5)
    assert proof.verdict.checks[-1]["message"] == "in a small model: no"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (CODE + "\nprint(1)\n", "line 14: only imports, constants, functions and classes may stand here"),
        (CODE.replace("import torch\n", "import numpy as np\nimport torch\n"), "imports 'numpy'"),
        ("from math import floor as torch\n" + CODE.replace("import torch\n", ""), "give that import another name"),
    ],
)
def test_a_source_that_no_model_can_hold_has_failed_a_check(monkeypatch, source, words):
    proof, _ = proved(monkeypatch, source=source)
    assert not proof.passed
    assert proof.verdict.checks[-1]["name"] == "source"
    assert words in proof.verdict.checks[-1]["message"]


def test_an_added_component_of_the_same_name_gives_way(monkeypatch):
    known = catalogue()
    known.add(parse_component(CODE.replace("bias=False", "bias=True"), CARD_OF_IT, where="an older one"))
    proof, jobs = proved(monkeypatch, known=known)
    assert proof.passed
    assert b"bias=False" in jobs[-1].files["model.py"]


def test_what_cannot_be_added_is_an_error_and_nothing_runs(monkeypatch):
    for field, value, error in (("name", "attention", InvalidValueError), ("slot", "position", UsageError)):
        with pytest.raises(error):
            proved(monkeypatch, card=CARD_OF_IT.model_copy(update={field: value}))


def test_a_text_is_read_and_its_faults_are_named():
    spec = parse_component(CODE, CARD_OF_IT, where="answer 1", provenance=Provenance.DESIGNED)
    assert (spec.class_name, spec.uses_position, spec.provenance) == ("Scaled", True, Provenance.DESIGNED)
    assert spec.defaults() == {"steps": 2, "gate": "none"}
    with pytest.raises(UsageError, match="answer 1 is not Python: line 2"):
        parse_component("\nclass :", CARD_OF_IT, where="answer 1")
    with pytest.raises(UsageError, match="answer 1 has 0 classes"):
        parse_component("x = 1", CARD_OF_IT, where="answer 1")
    with pytest.raises(UnknownNameError, match="unknown class in answer 1 'Scald': did you mean 'Scaled'"):
        parse_component(CODE, CARD_OF_IT, where="answer 1", class_name="Scald")


def test_what_is_proved_is_kept_in_one_commit_with_what_belongs_to_it(tmp_path):
    spec = parse_component(CODE, CARD_OF_IT, where="answer 1")
    with Store.open(tmp_path) as store:
        record = keep(
            spec,
            CARD_OF_IT,
            PROOF,
            store,
            tmp_path,
            origin="writing c0",
            provenance=Provenance.DESIGNED,
            writing="c0",
            files={"transcript.json": json.dumps(["asked", "answered"])},
        )
        assert store.components() == [record]
        assert (record.provenance, record.writing, record.origin) == ("designed", "c0", "writing c0")
        kept = workspace_catalogue(store).get("mixer", "scaled")
        assert (kept.provenance, kept.source, kept.uses_position) == (Provenance.DESIGNED, CODE, True)
        assert kept.counts == PROOF.rule
        again = keep(spec, CARD_OF_IT, PROOF, store, tmp_path, origin="scaled.py")
        assert again == record
    code = CodeRepository(tmp_path / "code")
    assert code.read(record.commit, SOURCE) == CODE
    assert Card.from_yaml(code.read(record.commit, CARD)) == CARD_OF_IT
    assert json.loads(code.read(record.commit, "transcript.json")) == ["asked", "answered"]


def test_what_is_not_proved_or_claims_to_be_the_catalogues_is_not_kept(tmp_path):
    spec = parse_component(CODE, CARD_OF_IT, where="answer 1")
    with Store.open(tmp_path) as store:
        for proof in (Proof(PROOF.verdict.failing("causal", "no"), PROOF.rule), Proof(PROOF.verdict, None)):
            with pytest.raises(UsageError, match="mixer 'scaled' is not proved"):
                keep(spec, CARD_OF_IT, proof, store, tmp_path, origin="answer 1")
        with pytest.raises(UsageError, match="not the catalogue's own"):
            keep(spec, CARD_OF_IT, PROOF, store, tmp_path, origin="answer 1", provenance=Provenance.CATALOGUE)
        assert store.components() == []
    assert not (tmp_path / "code").exists()
