"""What steering does to the proposals of every sampler, and to those of a language model."""

import hashlib

import numpy as np
import pytest

from agents.designer import Designer, Proposal
from agents.designer.algorithms import Algorithms
from agents.designer.vocabulary import Vocabulary
from neuramosaic.errors import UsageError
from neuramosaic.search.registry import sampler_names
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering import Constraint, Steering, parse_command
from neuramosaic.store.records import TrialOutcome, TrialRecord, TrialState
from neuramosaic.study import StudyConfig

SHAPE = {"params_budget": 30_000, "sequence_length": 32, "vocab_size": 64, "max_pattern": 2, "depth": (1, 3)}
BUILT_IN = ("bayes", "evolution", "random", "sobol")
OPTIONS = {"evolution": {"population": 4, "tournament": 2}, "bayes": {"initial": 8}}


@pytest.fixture(scope="module")
def space():
    return ArchitectureSpace.default(**SHAPE)


def steered(*texts):
    return Steering.of([(parse_command(text), {}) for text in texts])


def trial(proposal, space, finished):
    """A trial that completed, with a loss that favours attention: what a search would go for."""
    architecture = proposal.architecture
    noise = hashlib.sha256(architecture.id.encode()).digest()[0] / 1000
    loss = 2.0 + noise - 0.8 * ("mixer:attention" in architecture.components())
    return TrialRecord(
        id=f"s.{proposal.number}", study="s", number=proposal.number, state=TrialState.COMPLETE,
        architecture=architecture.to_json(), architecture_id=architecture.id, source=proposal.source,
        label=architecture.label(), components=architecture.components(), params=30_000, seed=0, rung=proposal.rung,
        fidelity_tokens=1000, parent=proposal.parent, corpus="c", commit=None, created="", started=None, finished=None,
        attempts=1, asked=proposal.asked, finish_order=finished,
        outcome=TrialOutcome(TrialState.COMPLETE, {"val_loss": loss}),
    )  # fmt: skip


def proposals(space, sampler, steering, number, begun=0):
    """Propose and tell `number` architectures; steering begins after `begun` trials."""
    config = StudyConfig(
        task="recall", params=30_000, sampler=sampler, sampler_settings=OPTIONS.get(sampler, {}), rungs=1, trials=999
    )
    trials = []
    for step in range(number + 1):
        designer = Designer(space, config, steering=steering if step > begun else None)
        proposal = designer.propose(trials)
        assert isinstance(proposal, Proposal)
        trials.append(trial(proposal, space, step + 1))
    return trials


@pytest.mark.parametrize("sampler", BUILT_IN)
def test_what_is_vetoed_is_never_proposed_and_what_is_pinned_always(space, sampler):
    assert set(BUILT_IN) <= set(sampler_names())
    steering = steered("/veto mixer=attention channel=swiglu position=alibi", "/pin norm=layer_norm residual=pre")
    begun = 6
    number = 50 if sampler != "bayes" else 10  # a fit takes a while; 8 of these are of the process
    trials = proposals(space, sampler, steering, begun + number, begun)
    before, after = trials[: begun + 1], trials[begun + 1 :]
    assert len(after) == number
    assert any("channel:swiglu" in item.components for item in before)
    assert len({item.architecture_id for item in trials}) == len(trials)
    for item in after:
        assert not {"mixer:attention", "channel:swiglu", "position:alibi"} & set(item.components)
        assert {"residual:pre", "norm:layer_norm"} <= set(item.components)
        assert not any(name.startswith("norm:") and name != "norm:layer_norm" for name in item.components)


def test_nothing_in_force_changes_no_proposal(space):
    plain = proposals(space, "evolution", None, 12)
    assert [item.architecture_id for item in plain] == [
        item.architecture_id for item in proposals(space, "evolution", steered("/approval on"), 12)
    ]


@pytest.mark.parametrize("sampler", ["random", "sobol", "evolution"])
def test_a_preference_shifts_proposals_and_excludes_nothing(space, sampler):
    def share(steering):
        made = [item for item in proposals(space, sampler, steering, 30)[1:]]
        return sum("mixer:gated_conv" in item.components for item in made), np.mean(
            [item.architecture["depth"] for item in made]
        )

    plain, plain_depth = share(None)
    many, shallow = share(steered("/favour mixer=gated_conv depth=low weight=20"))
    assert plain < many < 30
    assert shallow < plain_depth


def test_the_acquisition_is_weighed(space):
    config = StudyConfig(task="recall", params=30_000, sampler="bayes", rungs=1, trials=99)
    told = proposals(space, "random", None, 10)
    constraint = Constraint(space, steered("/favour mixer=ssm weight=1000", "/pin channel=kwta"))
    made = Algorithms(space, config, constraint).sample(told, "bayes").architecture
    assert {block.channel.name for block in made.blocks} == {"kwta"}
    assert Algorithms(space, config, constraint).sample(told, "bayes").architecture == made


def test_weights_are_between_the_ends(space):
    constraint = Constraint(space, steered("/favour depth=low weight=10"))
    points = {depth: {**space.parameters.default(), "depth": depth} for depth in (1, 2, 3)}
    weights = [constraint.log_weight(points[depth]) for depth in (1, 2, 3)]
    assert weights == pytest.approx([0.0, -np.log(10) / 2, -np.log(10)])
    excluded = Constraint(space, steered("/veto mixer=attention"))
    assert excluded.log_weight({"block0.mixer": "attention"}) < -1000 < excluded.log_weight({"block0.mixer": "ssm"}) + 1


def test_a_vetoed_trial_is_not_promoted_and_the_best_can_be_at_once(space):
    config = StudyConfig(task="recall", params=30_000, sampler="random", rungs=3, eta=2, trials=4)
    trials = proposals(space, "random", None, 4)
    best = min(trials[1:], key=lambda item: item.val_loss)
    first = Designer(space, config).propose(trials)
    assert first.parent == best.id
    part = next(name for name in best.components if name.startswith("channel:")).replace(":", "=")
    other = Designer(space, config, steering=steered(f"/veto {part}")).propose(trials)
    assert other == "done" or other.parent != best.id
    worst = max(trials[1:], key=lambda item: item.val_loss)
    asked = Steering.of([(parse_command("/more-on-best"), {"trial": worst.number})])
    assert Designer(space, config, steering=asked).propose(trials).parent == worst.id


def test_a_language_model_is_shown_only_what_is_left(space):
    constraint = Constraint(space, steered("/veto mixer=attention modulator=none", "/pin norm=dyt"))
    vocabulary = Vocabulary(space, constraint)
    said = vocabulary.describe()
    assert "- attention" not in said
    assert "- ssm" in said
    schema = vocabulary.schema.model_json_schema()
    block = schema["$defs"]["Block"]["properties"]
    assert "attention" not in block["mixer"]["enum"]
    assert "norm" not in schema["properties"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["/veto norm=dyt norm=rms_norm norm=layer_norm"], "would leave no norm"),
        (["/pin norm=dyt", "/veto norm=dyt"], "would leave no norm .*pinned: dyt"),
    ],
)
def test_a_wish_that_leaves_nothing_is_refused(space, texts, words):
    with pytest.raises(UsageError, match=words):
        Constraint(space, steered(*texts)).check()


def test_a_restricted_space_is_repaired_within_itself():
    space = ArchitectureSpace.default(**{**SHAPE, "mixers": ("min_gru", "ssm"), "modulators": ("none",)})
    constraint = Constraint(space, steered("/veto mixer=ssm"))
    constraint.check()
    made = constraint.repair(space.baseline(), np.random.default_rng(0))
    assert {block.mixer.name for block in made.blocks} == {"min_gru"}
    space.validate(made)
