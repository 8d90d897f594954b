"""What a comparison proposes, as a function of the trials so far."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.comparison import Comparison
from agents.designer import Proposal
from neuramosaic.components.registry import catalogue
from neuramosaic.errors import UsageError
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialState
from neuramosaic.study import StudyConfig


@pytest.fixture(scope="module")
def space() -> ArchitectureSpace:
    return ArchitectureSpace(catalogue(), params_budget=40_000, vocab_size=256, sequence_length=64, depth=(2, 4))


def config(seeds: tuple[int, ...] = (7, 8), name: str = "min_gru", slot: str = "mixer") -> StudyConfig:
    return StudyConfig.from_mapping({"comparison": {"component": {"slot": slot, "name": name}, "seeds": seeds}})


def trials(count: int, state: TrialState = TrialState.COMPLETE) -> list[Any]:
    return [SimpleNamespace(number=number, state=state) for number in range(count)]


def test_each_seed_has_its_pair_side_by_side(space: ArchitectureSpace) -> None:
    comparison = Comparison(space, config())
    made = []
    for number in range(4):
        proposal = comparison.propose(trials(number, TrialState.RUNNING))
        assert isinstance(proposal, Proposal)
        assert proposal == Comparison(space, config()).propose(trials(number))  # whatever came of them
        made.append((proposal.number, proposal.seed, proposal.source, proposal.rung, proposal.parent))
    assert made == [
        (0, 7, "baseline", 0, None),
        (1, 7, "comparison", 0, None),
        (2, 8, "baseline", 0, None),
        (3, 8, "comparison", 0, None),
    ]
    assert comparison.propose(trials(4, TrialState.RUNNING)) == "wait"
    assert comparison.propose(trials(4, TrialState.FAILED)) == "done"


def test_the_component_stands_in_every_block_at_the_same_size(space: ArchitectureSpace) -> None:
    comparison = Comparison(space, config())
    pair = [comparison.propose(trials(number)) for number in range(2)]
    baseline, candidate = (item.architecture for item in pair if isinstance(item, Proposal))
    assert {block.mixer.name for block in candidate.expanded()} == {"min_gru"}
    assert candidate.depth == baseline.depth
    assert candidate.blocks[0].channel == baseline.blocks[0].channel
    sizes = [space.count_parameters(item) for item in (baseline, candidate)]
    assert all(abs(size - 40_000) <= 0.05 * 40_000 for size in sizes)


def test_a_component_too_large_for_the_budget_is_refused(space: ArchitectureSpace) -> None:
    limits: dict[str, Any] = {"depth": (1, 1), "width": (16, 16), "tolerance": 0.01}
    narrow = ArchitectureSpace(catalogue(), params_budget=7_472, vocab_size=256, sequence_length=64, **limits)
    with pytest.raises(UsageError, match="no width from 16 to 16 brings this model within 1% of 7,472 parameters"):
        Comparison(narrow, config(name="moe", slot="channel"))
