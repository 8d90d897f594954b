"""A component of a person's own: verified, counted, kept, searched by new studies, and inlined into their models."""

import json
import subprocess
import sys

import pytest

from agents.component_file import read_component
from agents.curator import add_component
from graph.export import export_trial
from graph.session import create_study, run_study
from neuramosaic.components.card import Card
from neuramosaic.errors import InvalidValueError, SandboxUnavailableError, UnknownNameError, UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE, study_catalogue, workspace_catalogue
from neuramosaic.store.records import TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from sandbox.registry import Availability
from ui.cli import main

SOURCE_TEXT = '''
"""Gated mean over the last positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 8


class LeakyMean(nn.Module):
    """Gated mean over the last positions, weighted by age."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.inner = heads * max(2, 2 * (d_model // (2 * heads)))
        self.value = nn.Linear(d_model, 2 * self.inner, bias=False)
        self.decay = nn.Parameter(torch.linspace(0.0, 2.0, heads))
        self.out = nn.Linear(self.inner, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        value, gate = self.value(x).chunk(2, dim=-1)
        age = torch.arange(STEPS, device=x.device, dtype=x.dtype)
        weight = (-age * F.softplus(self.decay).unsqueeze(-1)).exp().flip(-1)
        kernel = weight.repeat_interleave(self.inner // len(self.decay), dim=0).unsqueeze(1)
        past = F.pad(value.transpose(1, 2), (STEPS - 1, 0))
        mixed = F.conv1d(past, kernel, groups=self.inner).transpose(1, 2)
        return self.out(mixed * gate.sigmoid())
'''
CARD_TEXT = """
name: leaky_mean
slot: mixer
summary: Gated mean over the last eight positions, weighted by age
equations: [y_t = W_o (sigmoid(W_g x_t) * sum_i exp(-a i) W_v x_(t-i))]
hyperparameters:
  - {name: heads, kind: categorical, domain: [1, 4, 8], default: 4}
cost: linear
properties: {receptive_field: 8, position_sensitive: true, recurrent_form: true}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "leaky_mean.py"
    path.write_text(SOURCE_TEXT)
    return path


def add(file, workspace, card=None, **options):
    spec, held_to = read_component(file, card, **options)
    return add_component(spec, held_to, workspace, origin=file.name, backend="process")


def failure(report):
    assert not report["verified"]
    return next(check for check in report["checks"] if not check["passed"])


@pytest.mark.slow
def test_it_is_added_and_a_new_study_trains_it(file, tmp_path, tiny, capsys):
    workspace, card = tmp_path / "ws", tmp_path / "card.yaml"
    card.write_text(CARD_TEXT)
    before = create_study(tiny, workspace)

    options = ["--card", str(card), "--sandbox", "process", "-w", str(workspace)]
    assert main(["component", "add", str(file), *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"]
    assert (report["component"], report["slot"], report["class"]) == ("leaky_mean", "mixer", "LeakyMean")
    assert [check["name"] for check in report["checks"]][-3:] == ["growth", "properties", "overfits"]
    code = CodeRepository(workspace / "code")
    assert code.read(report["commit"], SOURCE) == SOURCE_TEXT
    assert Card.from_yaml(code.read(report["commit"], CARD)) == Card.from_yaml(CARD_TEXT)

    assert main(["component", "list", "--json", "-w", str(workspace)]) == 0
    (listed,) = [item for item in json.loads(capsys.readouterr().out) if item["provenance"] == "own"]
    assert (listed["name"], listed["added"]["commit"]) == ("leaky_mean", report["commit"])
    assert main(["component", "show", "leaky_mean", "-w", str(workspace)]) == 0
    assert "added from leaky_mean.py" in capsys.readouterr().out
    assert main(["component", "verify", "leaky_mean", "--sandbox", "process", "-w", str(workspace), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verified"]

    config = StudyConfig.from_mapping(
        {**tiny.to_json(), "trials": 2, "rungs": 1, "space": {"mixers": ["leaky_mean"], "max_pattern": 1}}
    )
    study = create_study(config, workspace)
    run_study(study, workspace)
    with Store.open(workspace) as store:
        trials = store.trials(study)
        assert len(trials) == 3
        assert [(trial.state, trial.outcome.reason) for trial in trials] == [(TrialState.COMPLETE, "")] * 3
        assert ["mixer:leaky_mean" in trial.components for trial in trials] == [False, True, True]  # baseline first
        # A study that was there before keeps its space.
        with pytest.raises(UnknownNameError):
            study_catalogue(store, store.study(before)).get("mixer", "leaky_mean")
        export_trial(store, trials[-1].id, workspace, tmp_path / "exported")
    assert "class LeakyMean(nn.Module):" in (tmp_path / "exported" / "model.py").read_text()
    done = subprocess.run(
        [sys.executable, "model.py"], cwd=tmp_path / "exported", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{trials[-1].params:,} parameters")
    assert main(["show", trials[-1].id, "-w", str(workspace)]) == 0
    assert main(["report", study, "-w", str(workspace)]) == 0


@pytest.mark.slow
def test_without_a_card_it_has_no_hyperparameters_and_a_name_from_its_class(file, tmp_path):
    report = add(file, tmp_path / "ws")
    assert (report["verified"], report["component"], report["slot"]) == (True, "leaky_mean", "mixer")
    with Store.open(tmp_path / "ws") as store:
        known = workspace_catalogue(store)
        spec = known.get("mixer", "leaky_mean")
        assert (spec.defaults(), str(spec.cost)) == ({}, "quadratic")
        assert spec.summary == "Gated mean over the last positions, weighted by age"
        (record,) = store.components()
        assert (record.version, record.commit) == (report["version"], report["commit"])
    width = 40
    assert spec.counts.count(width, {}) == width * 2 * width + 4 + width * width + width


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "check", "words"),
    [
        ("(STEPS - 1, 0)", "(0, STEPS - 1)", "causal", "let position t see positions 0..t only"),
        ("STEPS = 8", "STEPS = 9", "properties", "the last 9 positions, the card says 8"),
        ("import torch\n", "import os\nimport torch\n", "import_allow_list", "import of 'os'"),
        ("self.out(mixed", "1e-6 * self.out(mixed", "scale", "at initialisation"),
        (
            "self.out = nn",
            "self.spare = nn.Parameter(torch.zeros(d_model**3 // 99 + 1))\n        self.out = nn",
            "gradients",
            "spare",
        ),
        # Sound with its defaults; wrong at another value of its hyper-parameter.
        ("(STEPS - 1, 0)", "(STEPS - 1, 0) if len(self.decay) < 8 else (0, STEPS - 1)", "causal", "see positions 0..t"),
    ],
)
def test_one_that_fails_is_refused_and_nothing_is_kept(file, tmp_path, old, new, check, words, capsys):
    assert old in SOURCE_TEXT
    file.write_text(SOURCE_TEXT.replace(old, new))
    card = tmp_path / "card.yaml"
    card.write_text(CARD_TEXT)
    options = ["--card", str(card), "--sandbox", "process", "-w", str(tmp_path / "ws"), "--json"]
    assert main(["component", "add", str(file), *options]) == 1
    failed = failure(json.loads(capsys.readouterr().out))
    assert failed["name"] == check
    assert words in failed["message"]
    assert not (tmp_path / "ws").exists()


@pytest.mark.slow
def test_one_whose_size_follows_no_rule_is_refused(file, tmp_path):
    odd = "self.bias = nn.Parameter(torch.zeros(d_model**3))\n        self.out = nn"
    text = SOURCE_TEXT.replace("self.out = nn", odd).replace("gate.sigmoid())", "gate.sigmoid()) + self.bias.sum()")
    file.write_text(text)
    failed = failure(add(file, tmp_path / "ws"))
    assert failed["name"] == "parameter_rule"
    assert "no quadratic in D" in failed["message"]
    assert not (tmp_path / "ws").exists()


def test_what_cannot_be_added_is_refused_before_anything_runs(file, tmp_path):
    workspace = tmp_path / "ws"
    card = Card.from_yaml(CARD_TEXT)
    with pytest.raises(UsageError, match="a position cannot be added yet"):
        add(file, workspace, slot="position")
    with pytest.raises(InvalidValueError, match="a name that no other mixer of the catalogue has"):
        add(file, workspace, name="attention")
    with pytest.raises(UsageError, match="--name says 'other', the card says 'leaky_mean'"):
        add(file, workspace, card, name="other")
    with pytest.raises(UnknownNameError, match="did you mean 'LeakyMean'"):
        add(file, workspace, class_name="LeekyMean")
    assert not workspace.exists()


def test_the_process_backend_is_used_only_where_it_is_named(file, tmp_path, monkeypatch):
    for backend in ("docker", "bubblewrap"):
        found = Availability(backend, False, "not here")
        monkeypatch.setattr(f"sandbox.registry._{backend}", lambda found=found: found)
    spec, card = read_component(file)
    with pytest.raises(SandboxUnavailableError):
        add_component(spec, card, tmp_path / "ws", origin=file.name)
    assert not (tmp_path / "ws").exists()
