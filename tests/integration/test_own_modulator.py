"""A modulator of a person's own: proved around a block and in a model, then a choice of every block of the space."""

import json
from dataclasses import replace

import numpy as np
import pytest

from agents.component_file import parse_component
from agents.curator import add_component
from graph.session import create_study, run_study
from neuramosaic.codegen.generate import generate
from neuramosaic.components.card import Card
from neuramosaic.components.counting import count_parameters
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import ParameterRule
from neuramosaic.components.spec import Provenance
from neuramosaic.errors import UsageError
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.components import study_catalogue
from neuramosaic.store.records import TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from ui.cli import main

EXAMPLE = "examples/cards/gated_passes.yaml"
CODE = '''
"""The block, several times, through a gate."""

import torch
from torch import Tensor, nn


class GatedPasses(nn.Module):
    """Runs a block several times with the same weights; a gate takes part of each change."""

    def __init__(self, d_model: int, block: nn.Module, passes: int = 2):
        super().__init__()
        self.block, self.passes = block, passes
        self.gate = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        for _ in range(self.passes):
            x = x + torch.sigmoid(self.gate(x)) * (self.block(x) - x)
        return x
'''


@pytest.fixture
def card(request):
    return Card.from_file(request.config.rootpath / EXAMPLE)


def known_with(card, code=CODE):
    rule = ParameterRule(("passes",), ((1,), (2,), (3,)), (((16 * 17, 34, 2),),) * 3)
    known = catalogue()
    known.add(card.spec(code, "GatedPasses", provenance=Provenance.OWN, counts=rule))
    return known


def test_the_space_holds_it_and_neither_counting_nor_encoding_runs_it(card):
    known = known_with(card, "raise SystemExit('executed')\n\n\nclass GatedPasses: ...\n")
    space = ArchitectureSpace(
        known, params_budget=30_000, depth=(2, 3), max_pattern=2, modulators=["none", "gated_passes"]
    )
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(30):
        architecture = space.sample(rng)
        assert space.decode(space.encode(architecture)) == architecture
        assert space.count_parameters(architecture) == pytest.approx(30_000, rel=0.05)
        seen |= {block.modulator and block.modulator.hyperparameters["passes"] for block in architecture.blocks}
    assert seen == {None, 1, 2, 3}


def test_its_parameters_are_the_rule_for_every_block_that_it_wraps(card):
    known = known_with(card)
    space = ArchitectureSpace(known, depth=(3, 3), max_pattern=1, modulators=["gated_passes"])
    architecture = space.sample(np.random.default_rng(1))
    bare = replace(architecture, blocks=tuple(replace(block, modulator=None) for block in architecture.blocks))
    sizes = {"vocab_size": 32, "sequence_length": 16}
    width = architecture.width
    own = count_parameters(architecture, known, **sizes) - count_parameters(bare, known, **sizes)
    assert own == 3 * (width * width + width)


def test_the_model_holds_its_class_around_the_block(card):
    known = known_with(card)
    space = ArchitectureSpace(known, width=(16, 32), depth=(2, 2), max_pattern=1, modulators=["gated_passes"])
    architecture = space.sample(np.random.default_rng(0))
    passes = architecture.blocks[0].modulator.hyperparameters["passes"]
    text = generate(architecture, known, vocab_size=32, sequence_length=16)
    assert "class GatedPasses(nn.Module):" in text
    assert "    return GatedPasses(\n        WIDTH,\n        block=" in text
    assert f"        passes={passes},\n    )" in text
    namespace = {"__name__": "model"}
    exec(compile(text, "model.py", "exec"), namespace)
    model = namespace["Model"](namespace["Config"]())
    assert sum(item.numel() for item in model.parameters()) == count_parameters(
        architecture, known, vocab_size=32, sequence_length=16
    )


@pytest.mark.slow
def test_it_is_added_and_a_new_study_trains_it(tmp_path, tiny, request, capsys):
    workspace, file = tmp_path / "ws", tmp_path / "gated_passes.py"
    file.write_text(CODE)
    options = ["--card", str(request.config.rootpath / EXAMPLE), "--sandbox", "process", "-w", str(workspace), "--json"]
    assert main(["component", "verify", str(file), *options]) == 0
    assert "block_used" in [check["name"] for check in json.loads(capsys.readouterr().out)["checks"]]
    assert main(["component", "add", str(file), *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["verified"], report["slot"], report["class"]) == (True, "modulator", "GatedPasses")
    assert [check["name"] for check in report["checks"]][-3:] == ["growth", "properties", "overfits"]
    config = StudyConfig.from_mapping(
        {**tiny.to_json(), "trials": 1, "rungs": 1, "space": {"modulators": ["gated_passes"], "max_pattern": 1}}
    )
    study = create_study(config, workspace)
    run_study(study, workspace)
    with Store.open(workspace, create=False) as store:
        baseline, trial = store.trials(study)
        assert "modulator:gated_passes" not in baseline.components
        assert "modulator:gated_passes" in trial.components
        assert (trial.state, trial.outcome.reason) == (TrialState.COMPLETE, "")
        assert trial.outcome.params == trial.params
        rule = study_catalogue(store, store.study(study)).get("modulator", "gated_passes").counts
    assert [rule.count(width, {"passes": 3}) for width in (16, 33)] == [16 * 16 + 16, 33 * 33 + 33]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"(self.block(x) - x)": "x.tanh()"}, "block_used", "call self.block(...) in forward"),
        (
            {"block: nn.Module, p": "inner: nn.Module, p", "= block,": "= inner,"},
            "contract",
            "argument 'block'; take the",
        ),
        # Sound around the probe block alone: it makes another block of the same class.
        (
            {"self.gate = nn": "self.twin = type(block)(d_model)\n        self.gate = nn", "- x)": "- self.twin(x))"},
            "contract",
            "in a small model: TypeError at model.py",
        ),
    ],
)
def test_one_that_fails_is_refused_and_nothing_is_kept(tmp_path, card, changes, check, words):
    code = CODE
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    spec = parse_component(code, card, where="a test")
    report = add_component(spec, card, tmp_path / "ws", origin="a test", backend="process")
    assert not report["verified"]
    failed = next(item for item in report["checks"] if not item["passed"])
    assert failed["name"] == check
    assert words in failed["message"]
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize("slot", ["position", "residual"])
def test_slots_that_cannot_be_proved_are_refused(tmp_path, card, slot):
    spec = parse_component(CODE, card.model_copy(update={"slot": slot}), where="a test")
    with pytest.raises(UsageError, match=f"a {slot} cannot be added yet: only mixer, channel, norm, modulator"):
        add_component(spec, card, tmp_path / "ws", origin="a test", backend="process")


def test_no_modulator_is_called_none(card):
    with pytest.raises(UsageError, match="'none' stands for no modulator"):
        catalogue().add(card.model_copy(update={"name": "none"}).spec(CODE, "GatedPasses", provenance=Provenance.OWN))
