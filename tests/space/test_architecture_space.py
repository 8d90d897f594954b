import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuramosaic.components.registry import Catalogue, catalogue
from neuramosaic.errors import (
    BudgetError,
    InvalidArchitectureError,
    InvalidValueError,
    UnknownNameError,
    UnknownOptionError,
    UsageError,
)
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.space.matching import within

BASELINE_ID = "sha256:4faa9afa16c8d7bdbc79969fef3bf8fa8efba6ca1d828e4e8f2f064665ed7065"

FREE = ArchitectureSpace.default()
MATCHED = ArchitectureSpace.default(params_budget=300_000)
SMALL = ArchitectureSpace.default(params_budget=20_000, vocab_size=16, sequence_length=64)
SPACES = {"free": FREE, "matched": MATCHED, "small": SMALL}

bounded = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
spaces = st.sampled_from(sorted(SPACES))
random_seeds = st.integers(0, 2**32 - 1)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_block(architecture: Architecture, **changes: Choice) -> Architecture:
    return replace(architecture, blocks=(replace(architecture.blocks[0], **changes),))


@bounded
@given(spaces, random_seeds)
def test_every_sample_is_valid_canonical_matched_and_survives_encoding(name: str, seed: int) -> None:
    space = SPACES[name]
    architecture = space.sample(rng(seed))
    space.validate(architecture)
    assert space.canonicalise(architecture) == architecture
    vector = space.encode(architecture)
    assert vector.shape == (space.parameters.dimension,)
    assert ((vector >= 0) & (vector <= 1)).all()
    assert space.decode(vector) == architecture
    assert space.from_point(space.to_point(architecture)) == architecture
    assert Architecture.from_json(json.loads(architecture.canonical)) == architecture
    if space.params_budget:
        assert within(space.count_parameters(architecture), space.params_budget, 0.05)


@bounded
@given(spaces, random_seeds, st.floats(0, 1))
def test_decode_is_total_and_lands_on_canonical_architectures(name: str, seed: int, share: float) -> None:
    space, generator = SPACES[name], rng(seed)
    vector = generator.uniform(-1, 2, space.parameters.dimension)
    odd = generator.random(space.parameters.dimension) < share
    vector[odd] = generator.choice([np.nan, np.inf, -np.inf, 0.0, 1.0, 1e300], size=int(odd.sum()))
    architecture = space.decode(vector)
    space.validate(architecture)
    assert space.decode(space.encode(architecture)) == architecture


@pytest.mark.parametrize("length", [0, 1, FREE.parameters.dimension + 1])
def test_a_vector_of_the_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidValueError, match=rf"vector.*\({FREE.parameters.dimension},\)"):
        FREE.decode(np.zeros(length))


@bounded
@given(spaces, random_seeds)
def test_mutants_and_children_are_valid_and_canonical(name: str, seed: int) -> None:
    space, generator = SPACES[name], rng(seed)
    a, b = space.sample(generator), space.sample(generator)
    mutant, child = space.mutate(a, generator), space.crossover(a, b, generator)
    assert mutant != a
    for architecture in (mutant, child):
        space.validate(architecture)
        assert space.canonicalise(architecture) == architecture
    # A mutation is a small step: it is nearer to its parent than a stranger is, save by chance or by a repair.
    assert 0 < space.distance(a, mutant) <= 1


@bounded
@given(random_seeds)
def test_distance_is_symmetric_bounded_and_zero_only_for_the_same(seed: int) -> None:
    generator = rng(seed)
    a, b = MATCHED.sample(generator), MATCHED.sample(generator)
    assert MATCHED.distance(a, a) == 0
    assert MATCHED.distance(a, b) == MATCHED.distance(b, a)
    assert 0 <= MATCHED.distance(a, b) <= 1
    assert (MATCHED.distance(a, b) == 0) == (a == b)


def test_a_child_of_twins_is_the_twin() -> None:
    a = MATCHED.sample(rng(5))
    assert MATCHED.crossover(a, a, rng(0)) == a


def test_mutation_reaches_every_part_of_an_architecture() -> None:
    generator, origin = rng(0), MATCHED.baseline()
    mutants = [MATCHED.mutate(origin, generator) for _ in range(150)]
    assert {m.depth for m in mutants} != {origin.depth}
    assert {1, 2, 3} <= {len(m.blocks) for m in mutants}
    for part in ("mixer", "channel", "norm"):
        assert len({getattr(m.blocks[0], part) for m in mutants}) > 1
    assert len({m.position for m in mutants}) > 1
    assert len({m.residual for m in mutants}) > 1
    assert len({m.training["learning_rate"] for m in mutants}) > 1
    assert any(m.blocks[0].modulator for m in mutants)


def test_a_space_of_one_architecture_refuses_to_mutate() -> None:
    names = ("min_gru", "mlp", "rms_norm", "pre", "rope", "alibi")
    specs = [replace(spec, hyperparameters=()) for spec in catalogue().specs if spec.name in names]
    # Two positions, but without attention they are one and the same model.
    space = ArchitectureSpace(Catalogue(specs), max_pattern=1, depth=(2, 2), width=(64, 64), training=False)
    only = space.sample(rng(0))
    assert {space.sample(rng(seed)) for seed in range(16)} == {only}
    assert only.position.name == "rope"
    with pytest.raises(UsageError, match="no mutation leads to another architecture"):
        space.mutate(only, rng(0))


def test_the_baseline_is_named_and_pinned() -> None:
    baseline = MATCHED.baseline()
    assert baseline.components() == (
        "mixer:attention",
        "channel:swiglu",
        "norm:rms_norm",
        "position:rope",
        "residual:pre",
    )
    assert baseline.id == BASELINE_ID
    assert MATCHED.canonicalise(baseline) == baseline
    assert MATCHED.decode(MATCHED.encode(baseline)) == baseline


def test_the_baseline_exists_beside_a_space_that_excludes_it() -> None:
    space = ArchitectureSpace.default(params_budget=300_000, mixers=["min_gru", "ssm"], positions=["none"])
    assert space.baseline().id == BASELINE_ID
    with pytest.raises(InvalidArchitectureError, match=r"blocks\[0\]\.mixer: unknown mixer 'attention'"):
        space.to_point(space.baseline())
    drawn = [space.sample(rng(seed)) for seed in range(20)]
    assert {block.mixer.name for a in drawn for block in a.blocks} == {"min_gru", "ssm"}
    assert {a.position.name for a in drawn} == {"none"}


def test_ids_versions_and_vectors_are_the_same_in_every_process() -> None:
    code = (
        "import numpy as np; from neuramosaic.space.architecture_space import ArchitectureSpace as A\n"
        "s = A.default(params_budget=300_000, mixers=['attention', 'min_gru'])\n"
        "a = s.sample(np.random.default_rng(7)); m = s.mutate(a, np.random.default_rng(8))\n"
        "print(s.version, s.baseline().id, a.id, m.id, s.encode(m).tobytes().hex())"
    )
    outputs = set()
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        outputs.add(run.stdout)
    assert len(outputs) == 1
    assert BASELINE_ID in outputs.pop()


def test_the_version_names_everything_that_gives_a_vector_its_meaning() -> None:
    same = ArchitectureSpace.default(params_budget=300_000)
    assert same.version == MATCHED.version
    others = [
        FREE,
        ArchitectureSpace.default(params_budget=301_000),
        ArchitectureSpace.default(params_budget=300_000, depth=(2, 7)),
        ArchitectureSpace.default(params_budget=300_000, norms=["rms_norm"]),
        ArchitectureSpace.default(params_budget=300_000, vocab_size=128),
        ArchitectureSpace.default(params_budget=300_000, training=False),
    ]
    assert len({space.version for space in (MATCHED, *others)}) == 1 + len(others)


# Canonical form


def test_the_shortest_pattern_that_tiles_to_the_same_blocks_is_canonical() -> None:
    base = FREE.baseline()
    a = base.blocks[0]
    b = replace(a, norm=Choice("layer_norm"))
    assert len(FREE.canonicalise(replace(base, depth=4, blocks=(a, b, a, b))).blocks) == 2
    assert len(FREE.canonicalise(replace(base, depth=4, blocks=(a, a, a))).blocks) == 1
    assert len(FREE.canonicalise(replace(base, depth=4, blocks=(a, b, a))).blocks) == 3
    assert len(FREE.canonicalise(replace(base, depth=3, blocks=(a, b, a))).blocks) == 2
    assert len(FREE.canonicalise(replace(base, depth=2, blocks=(a, a, b, b))).blocks) == 1
    for blocks in ((a, b, a), (a, a, b), (b, a, a, a)):
        original = replace(base, depth=7, blocks=blocks)
        assert FREE.canonicalise(original).expanded() == original.expanded()


def test_missing_settings_take_their_defaults_and_numbers_their_kind() -> None:
    base = FREE.baseline()
    bare = replace(with_block(base, mixer=Choice("attention")), training={"weight_decay": 0})
    canonical = FREE.canonicalise(bare)
    assert dict(canonical.blocks[0].mixer.hyperparameters) == {"heads": 4, "kv_heads": 4}
    assert set(canonical.training) == {"learning_rate", "weight_decay", "warmup_fraction"}
    assert canonical.training["weight_decay"] == 0
    assert isinstance(canonical.training["weight_decay"], float)


@pytest.mark.parametrize("position", ["rope", "alibi", "none"])
def test_a_position_that_no_mixer_uses_is_none(position: str) -> None:
    base = FREE.baseline()
    idle = with_block(replace(base, position=Choice(position)), mixer=Choice("min_gru"))
    assert FREE.canonicalise(idle).position.name == "none"
    learned = with_block(replace(base, position=Choice("learned")), mixer=Choice("min_gru"))
    assert FREE.canonicalise(learned).position.name == "learned"
    mixed = replace(idle, blocks=(*idle.blocks, *base.blocks))
    assert FREE.canonicalise(mixed).position.name == position


def test_the_canonical_width_is_the_solved_one() -> None:
    baseline = MATCHED.baseline()
    other = replace(baseline, width=baseline.width + 1)
    MATCHED.validate(other)  # within tolerance, so valid, but not canonical
    assert MATCHED.canonicalise(other) == baseline
    assert "width" not in MATCHED.parameters.names
    assert "width" in FREE.parameters.names


# Errors


ATTENTION = Choice("attention", {"heads": 4, "kv_heads": 4})


@pytest.mark.parametrize(
    ("change", "field", "hint"),
    [
        ({"depth": 9}, "depth", "from 2 to 8"),
        ({"width": 8}, "width", "from 16 to 1024"),
        ({"blocks": ()}, "blocks", "expected 1 to 4"),
        ({"position": Choice("ropes")}, "position", "did you mean 'rope'"),
        ({"residual": Choice("pre", {"x": 1})}, "residual.hyperparameters.x", "unknown option 'x'"),
        ({"training": {}}, "training.learning_rate", "is missing"),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate", "expected a number"),
        ({"training": {"momentum": 0.9}}, "training.momentum", "unknown option 'momentum'"),
    ],
)
def test_errors_name_the_field(change: dict[str, object], field: str, hint: str) -> None:
    with pytest.raises(InvalidArchitectureError) as caught:
        FREE.validate(replace(FREE.baseline(), **change))  # type: ignore[arg-type]
    assert caught.value.field == field
    assert field in str(caught.value)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field", "hint"),
    [
        ({"mixer": Choice("atention", {})}, "mixer", "did you mean 'attention'"),
        ({"mixer": Choice("swiglu", {})}, "mixer", "unknown mixer 'swiglu'"),
        ({"mixer": Choice("attention", {"heads": 3, "kv_heads": 4})}, "mixer.hyperparameters.heads", "one of"),
        ({"mixer": Choice("attention", {"heads": True, "kv_heads": 4})}, "mixer.hyperparameters.heads", "one of"),
        ({"mixer": Choice("attention", {"heads": 4})}, "mixer.hyperparameters.kv_heads", "is missing"),
        ({"mixer": Choice("attention", {"head": 4})}, "mixer.hyperparameters.head", "did you mean 'heads'"),
        ({"channel": Choice("swiglu", {"expansion": 9})}, "channel.hyperparameters.expansion", "from 1 to 4"),
        ({"norm": Choice("batch_norm")}, "norm", "unknown norm"),
        ({"modulator": Choice("bottom_up")}, "modulator", "unknown modulator"),
    ],
)
def test_errors_name_the_field_of_the_block(change: dict[str, Choice], field: str, hint: str) -> None:
    base = FREE.baseline()
    bad = replace(base, blocks=(base.blocks[0], replace(base.blocks[0], **change)))
    with pytest.raises(InvalidArchitectureError) as caught:
        FREE.validate(bad)
    assert caught.value.field == f"blocks[1].{field}"
    assert hint in str(caught.value)


def test_a_size_off_budget_is_an_invalid_width() -> None:
    with pytest.raises(InvalidArchitectureError, match=r"width: 200 gives [\d,]+ parameters.*5% of 300,000"):
        MATCHED.validate(replace(MATCHED.baseline(), width=200))


@pytest.mark.parametrize("slot", ["mixers", "channels", "norms", "positions", "residuals", "modulators"])
def test_restricting_a_slot_to_an_unknown_name_is_an_error(slot: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown {slot.removesuffix('s')} 'nonsense'"):
        ArchitectureSpace.default(**{slot: ["nonsense"]})


def test_an_empty_slot_and_a_bad_range_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="no norm to choose from"):
        ArchitectureSpace.default(norms=[])
    with pytest.raises(UsageError, match="depth"):
        ArchitectureSpace.default(depth=(8, 2))
    with pytest.raises(InvalidValueError, match="max_pattern"):
        ArchitectureSpace.default(max_pattern=5)


def test_a_bad_point_is_refused_by_name() -> None:
    point = FREE.to_point(FREE.baseline())
    with pytest.raises(UnknownOptionError, match="dept"):
        FREE.from_point({**point, "dept": 4})
    with pytest.raises(InvalidValueError, match=r"block0\.mixer"):
        FREE.from_point({**point, "block0.mixer": "atention"})


# Parameter budgets


@pytest.mark.parametrize("budget", [1, 1000, 10**12])
def test_a_budget_that_no_model_fits_is_refused_at_once_in_one_line(budget: int) -> None:
    with pytest.raises(BudgetError) as caught:
        ArchitectureSpace.default(params_budget=budget)
    assert f"{budget:,} parameters" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_below_one_is_no_budget_but_an_error(budget: int) -> None:
    with pytest.raises(InvalidValueError, match="params_budget"):
        ArchitectureSpace.default(params_budget=budget)


def test_a_design_that_cannot_meet_the_budget_is_repaired_the_same_way_every_time() -> None:
    # At 12,000 parameters a deep stack of mixtures of experts does not fit at any width: fewer blocks do.
    space = ArchitectureSpace.default(params_budget=12_000, vocab_size=32)
    base = space.baseline()
    experts = Choice("moe", {"experts": 8, "top_k": 2, "expansion": 2})
    point = space.parameters.default() | {"depth": 8, "block0.channel": "moe"}
    point = {name: value for name, value in point.items() if not name.startswith("block0.channel.")}
    point |= {f"block0.channel.moe.{name}": value for name, value in experts.hyperparameters.items()}
    repaired = space.from_point(point)
    assert repaired == space.from_point(point)
    assert repaired.depth < 8
    assert within(space.count_parameters(repaired), 12_000, 0.05)
    with pytest.raises(InvalidArchitectureError, match="width: no width from 16 to 1024"):
        space.canonicalise(with_block(replace(base, depth=8), channel=experts))
    for seed in range(30):
        assert within(space.count_parameters(space.sample(rng(seed))), 12_000, 0.05)


def test_without_training_numbers_an_architecture_has_none() -> None:
    space = ArchitectureSpace.default(training=False)
    assert dict(space.sample(rng(0)).training) == {}
    with pytest.raises(InvalidArchitectureError, match="training"):
        space.validate(FREE.baseline())


def test_sampling_with_matching_is_fast_once_warm() -> None:
    generator = rng(11)
    for _ in range(60):
        MATCHED.sample(generator)
    started = time.process_time()
    for _ in range(60):
        MATCHED.sample(generator)
    # The aim is 20 ms of processor time; twice that leaves room for a slow machine.
    assert (time.process_time() - started) / 60 < 0.04


def test_blocks_have_their_own_settings() -> None:
    names = FREE.parameters.names
    for index in range(4):
        assert f"block{index}.mixer.attention.heads" in names
    single = FREE.to_point(FREE.baseline())
    assert single["pattern"] == 1
    assert not any(name.startswith("block1") for name in single)
    assert isinstance(FREE.sample(rng(0)).blocks[0], Block)
