from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from neuramosaic.codegen.generate import generate
from neuramosaic.components.counting import count_parameters
from neuramosaic.components.registry import Catalogue, catalogue
from neuramosaic.components.rule import ParameterRule
from neuramosaic.components.spec import Provenance, Slot
from neuramosaic.errors import UnknownNameError, UsageError
from neuramosaic.space.architecture import Architecture, Choice
from neuramosaic.space.architecture_space import ArchitectureSpace

V, T = 50, 24
SPACE = ArchitectureSpace.default(width=(16, 48), vocab_size=V, sequence_length=T)


def built(architecture: Architecture) -> int:
    """Count the parameters of the generated model, really built."""
    namespace: dict[str, object] = {"__name__": "generated_model"}
    source = generate(architecture, SPACE.catalogue, vocab_size=V, sequence_length=T)
    exec(compile(source, "model.py", "exec", dont_inherit=True), namespace)
    model = namespace["Model"](namespace["Config"]())  # type: ignore[operator]
    assert isinstance(model, nn.Module)
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_baseline_adds_up_by_hand() -> None:
    D, L = 32, 3
    architecture = replace(SPACE.baseline(), width=D, depth=L)
    swiglu = sum(p.numel() for p in _load(Slot.CHANNEL, "swiglu")(D, expansion=4).parameters())
    attention = D * 3 * D + D * D
    assert SPACE.count_parameters(architecture) == V * D + L * (attention + swiglu + 2 * D) + D


def _load(slot: Slot, name: str) -> type[nn.Module]:
    spec = catalogue().get(slot, name)
    namespace: dict[str, type[nn.Module]] = {}
    exec(spec.source, namespace)
    return namespace[spec.class_name]


@pytest.mark.parametrize("seed", range(12))
def test_counts_equal_the_generated_model(seed: int) -> None:
    architecture = SPACE.sample(np.random.default_rng(seed))
    assert SPACE.count_parameters(architecture) == built(architecture)


@pytest.mark.parametrize("spec", catalogue().specs, ids=lambda spec: f"{spec.slot}-{spec.name}")
def test_every_component_is_counted_exactly_at_an_odd_width(spec) -> None:  # type: ignore[no-untyped-def]
    base = replace(SPACE.baseline(), width=37, depth=3)
    choice = Choice(spec.name, spec.defaults())
    if spec.slot in (Slot.POSITION, Slot.RESIDUAL):
        architecture = replace(base, **{str(spec.slot): choice})
    else:
        changed = replace(base.blocks[0], **{str(spec.slot): choice})
        architecture = replace(base, blocks=(base.blocks[0], changed))
    assert SPACE.count_parameters(architecture) == built(architecture)


def test_counting_draws_no_random_numbers_and_makes_no_memory() -> None:
    state = torch.random.get_rng_state()
    # 2.5 TiB in float32, were it built.
    size = SPACE.count_parameters(replace(SPACE.baseline(), width=200_000, depth=3))
    assert size > 5e11
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_component_that_is_not_the_catalogues_own_never_runs_here() -> None:
    bomb = "raise SystemExit('executed')"
    attention = replace(catalogue().get("mixer", "attention"), source=bomb, provenance=Provenance.DESIGNED)
    specs = [spec for spec in catalogue().specs if spec.name != "attention"]
    with pytest.raises(UsageError, match=r"mixer 'attention'.*sandbox only"):
        count_parameters(SPACE.baseline(), Catalogue([*specs, attention]), vocab_size=V, sequence_length=T)


def test_the_rule_of_a_component_is_asked_in_every_slot_that_has_one_and_its_code_never_runs() -> None:
    bomb = "raise SystemExit('executed')"
    rules = {Slot.MIXER: (1000, 7, 0), Slot.CHANNEL: (2000, 5, 2), Slot.NORM: (16, 1, 0)}
    own = [
        replace(
            SPACE.catalogue.get(slot, name),
            source=bomb,
            provenance=Provenance.OWN,
            hyperparameters=(),
            counts=ParameterRule((), ((),), ((rule,),)),
        )
        for (slot, rule), name in zip(rules.items(), ("attention", "swiglu", "rms_norm"), strict=True)
    ]
    specs = [spec for spec in catalogue().specs if (spec.slot, spec.name) not in {(s.slot, s.name) for s in own}]
    base = SPACE.baseline().blocks[0]
    block = replace(base, mixer=Choice("attention"), channel=Choice("swiglu"), norm=Choice("rms_norm"))
    architecture = replace(SPACE.baseline(), width=20, depth=3, blocks=(block,))
    mixer, channel, norm = 1000 + 4 * 7, 2000 + 4 * 5 + 6 * 2, 20
    total = count_parameters(architecture, Catalogue([*specs, *own]), vocab_size=V, sequence_length=T)
    assert total == V * 20 + 3 * (mixer + channel + 2 * norm) + norm


def test_an_unknown_component_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown position 'ropes'"):
        SPACE.count_parameters(replace(SPACE.baseline(), position=Choice("ropes")))
