"""The designer in studies whose losses are made up, with a scripted model in the place of a language model."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

import pytest

from agents.card_reading import read_card
from agents.designer import CardProposal, Designer, Proposal
from agents.designer.architect import Architect
from agents.literature import Literature
from agents.llm.base import BudgetSpentError, ServerFailureError
from agents.llm.budget import Budget
from agents.llm.replay import ReplayProvider
from agents.llm.scripted import ScriptedProvider
from agents.runner import known_functions
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import WIDTHS, find_rule
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import TrialOutcome, TrialState, WritingState
from neuramosaic.store.writings import Writings
from neuramosaic.study import StudyConfig

STUDY = "recall-1"
SHAPE = {"params_budget": 30_000, "sequence_length": 32, "vocab_size": 64, "max_pattern": 2, "depth": (1, 3)}


@pytest.fixture(scope="module")
def space():
    return ArchitectureSpace.default(**SHAPE)


def configured(**settings):
    base = {"task": "recall", "params": 30_000, "sampler": "random", "rungs": 1, "trials": 12, "llm": "openai"}
    return StudyConfig(**(base | {"new_components": 0} | settings))


def loss_of(architecture):
    """A made-up loss; minGRU is good."""
    noise = hashlib.sha256(architecture.id.encode()).digest()[0] / 1000
    return 2.0 + noise - 0.5 * ("mixer:min_gru" in architecture.components())


def answer(number, *, mixer="min_gru", predicted=2.0, **changes):
    said = {
        "why": f"idea {number}",
        "depth": 1 + number % 3,
        "blocks": [{"mixer": mixer, "channel": ("mlp", "swiglu", "squared_relu")[number // 3 % 3]}],
        "norm": ("rms_norm", "layer_norm")[number // 9 % 2],
        "position": "none",
        "residual": "pre",
        "settings": [f"min_gru.expansion={1 + number // 18 % 3}"],
        "predicted_loss": predicted,
    }
    return json.dumps(said | changes)


IDEA = {
    "choice": 0,
    "idea": "the mean of all inputs so far, through a linear map",
    "why": "sums of the past are cheap",
    "predicted_loss": 1.25,
}
EQUATIONS = ["m_t = (1/t) sum_{s <= t} x_s", "y_t = W_o m_t"]


class Script:
    """Answers with one architecture after the other, or with the idea of a component and its card."""

    def __init__(self, name="running_mean", **settings):
        self.number, self.name, self.settings = 0, name, settings

    def __call__(self, request):
        nearest = "mlp" if "- mlp:" in request.messages[-1].content else "gated_conv"
        said = {
            "propose_component": IDEA,
            "card_nearest": {"nearest": nearest, "change": "average everything"},
            "card_equations": {"equations": EQUATIONS, "name": self.name},
            "card_claims": {"cost": "linear", "says": []},
        }
        if request.prompt in said:
            return json.dumps(said[request.prompt])
        self.number += 1
        return answer(self.number - 1, **self.settings)


def finish(store, trial, **fields):
    architecture = Architecture.from_json(trial.architecture)
    outcome = TrialOutcome(TrialState.COMPLETE, {"val_loss": loss_of(architecture)}, cost_flops=1e13)
    store.start_trial(trial.id)
    return store.tell(trial.id, replace(outcome, **fields))


def add(store, config, space, proposal):
    return store.add_trial(
        STUDY,
        proposal.number,
        proposal.architecture,
        source=proposal.source,
        params=space.count_parameters(proposal.architecture),
        seed=config.seed,
        rung=proposal.rung,
        fidelity_tokens=config.fidelity(proposal.rung),
        corpus="c",
        asked=proposal.asked,
        parent=proposal.parent,
        proposal=proposal.proposal,
    )


def study(store, config, space, model, *, workers=1, limit=400, told=finish, writings=()):
    """Run a study to its end; return what was proposed."""
    designer = Designer(space, config, model=model)
    made = []
    for _ in range(limit):
        trials = store.trials(STUDY)
        running = [trial for trial in trials if not trial.state.finished]
        proposal = "wait" if len(running) == workers else designer.propose(trials, writings)
        if proposal == "done":
            return made
        if proposal == "wait":
            told(store, running[0])
            continue
        made.append(proposal)
        add(store, config, space, proposal)
    raise AssertionError("the study does not end")


def test_without_a_model_only_the_sampler_proposes_and_records_nothing(store, space):
    made = study(store, configured(llm="none"), space, None)
    assert {proposal.source for proposal in made} == {"baseline", "random"}
    assert all(not proposal.proposal for proposal in made)
    assert made[1].why == "random after 1 results"


def test_three_sources_compete_and_the_one_that_pays_off_gets_most(store, space, make):
    config = configured(trials=40)
    made = study(store, config, space, make(ScriptedProvider(Script())), workers=2)
    slots = Counter(proposal.proposal.get("slot") for proposal in made[1:])
    assert sum(slots.values()) == 40
    assert set(slots) == {"random", "evolution", "llm"}
    assert min(slots.values()) >= 4  # the floor
    assert slots["llm"] + slots["evolution"] > 25  # these find minGRU
    assert [p.proposal["slot"] for p in made[1:4]] == ["random", "evolution", "llm"]
    llm = next(proposal for proposal in made if proposal.source == "llm")
    assert llm.why == "slot to llm: it had 0 of 2, less than its floor of 10%; idea 0"
    assert llm.proposal["predicted_loss"] == 2.0
    assert llm.proposal["tokens_in"] > 100
    assert any("payoff per cost random 0." in proposal.why for proposal in made)
    assert len({proposal.architecture.id for proposal in made}) == 41


def test_a_model_whose_designs_are_bad_keeps_only_its_floor(store, space, make):
    config = configured(trials=40)

    def told(store, trial):
        loss = 3.0 if trial.source == "llm" else loss_of(Architecture.from_json(trial.architecture))
        return finish(store, trial, metrics={"val_loss": loss})

    made = study(store, config, space, make(ScriptedProvider(Script())), told=told)
    slots = Counter(proposal.proposal.get("slot") for proposal in made[1:])
    assert 4 <= slots["llm"] <= 7


def test_the_same_trials_lead_to_the_same_proposal_and_no_call_is_made_twice(store, space, make):
    config, provider = configured(), ScriptedProvider(Script())
    made = study(store, config, space, make(provider))
    asked, trials = len(provider.requests), store.trials(STUDY)
    assert asked == sum(proposal.source == "llm" for proposal in made)
    again = Designer(space, config, model=make(provider))  # as after a crash: a new client on the same ledger
    for number in range(len(trials)):
        assert again.propose(trials[:number]) == made[number]
    assert len(provider.requests) == asked


def test_a_replay_needs_no_model_and_repeats_every_decision(store, space, make, ledger):
    config = configured()
    made = study(store, config, space, make(ScriptedProvider(Script())))
    other = store.create_study("recall", {}, {}, "v").id
    replayed = Designer(space, config, model=make(ReplayProvider(ledger, STUDY), study=other))
    # The same trials under the name of the other study.
    trials = [replace(trial, study=other, id=f"{other}.{trial.number}") for trial in store.trials(STUDY)]
    for number in range(1, len(trials)):
        assert replayed.propose(trials[:number]) == made[number]


def test_an_architecture_that_was_tried_is_refused_once_then_the_slot_falls_to_another(store, space, make):
    baseline = space.baseline()
    block = {"mixer": "attention", "channel": "swiglu"}
    said = answer(0, depth=baseline.depth, blocks=[block, block], position="rope", settings=[])
    provider = ScriptedProvider(lambda request: said)
    config = configured(trials=3)
    made = study(store, config, space, make(provider))
    assert [proposal.source for proposal in made].count("llm") == 0
    assert len(made) == 4
    fallen = next(proposal for proposal in made if "refused" in proposal.proposal)
    assert fallen.proposal["refused"].startswith(f"it was tried already: depth {baseline.depth}, attention + swiglu")
    assert fallen.proposal["slot"] == fallen.source != "llm"
    assert fallen.why.startswith("instead of llm (it was tried already")
    assert len(provider.requests) == 2
    assert "refused" not in provider.requests[0].messages[-1].content
    assert "Your last answer was refused: it was tried already" in provider.requests[1].messages[-1].content


def test_a_model_that_is_down_costs_no_trial(store, space, make):
    provider = ScriptedProvider(lambda request: ServerFailureError("down"))
    config = configured(trials=20)
    made = study(store, config, space, make(provider, attempts=1))
    assert len(made) == 21
    refused = [proposal for proposal in made if "refused" in proposal.proposal]
    # What it did not bring counts: it is asked no more often than its floor asks for.
    assert 2 <= len(refused) <= 5
    assert len(provider.requests) == len(refused)


def test_a_spent_budget_is_for_the_caller(store, space, make):
    with pytest.raises(BudgetSpentError):
        study(store, configured(), space, make(ScriptedProvider(Script()), budget=Budget(max_tokens=10)))


def test_what_it_says_stays_within_the_space_and_is_repaired(store, space, make):
    said = answer(0, depth=3, position="rope", settings=["min_gru.expansion=2", "training.learning_rate=0.000603"])
    schema = None

    def script(request):
        nonlocal schema
        schema = request.schema
        setting = next(s for s in request.schema["properties"]["settings"]["items"]["enum"] if "learning_rate" in s)
        return said.replace("training.learning_rate=0.000603", setting)

    made = study(store, configured(trials=3), space, make(ScriptedProvider(script)))
    chosen = next(proposal for proposal in made if proposal.source == "llm").architecture
    assert chosen == space.canonicalise(chosen)
    assert chosen.position.name == "none"  # nothing uses it
    assert chosen.blocks[0].mixer.hyperparameters["expansion"] == 2
    assert chosen.training["learning_rate"] != space.baseline().training["learning_rate"]
    assert schema["properties"]["depth"]["maximum"] == 3
    assert set(schema["$defs"]["Block"]["properties"]["mixer"]["enum"]) == {
        s.name for s in space.components(Slot.MIXER)
    }
    assert schema["properties"]["blocks"]["maxItems"] == 2


def test_the_prompt_is_short_and_its_constant_part_comes_first(store, make):
    space = ArchitectureSpace.default(params_budget=300_000, max_pattern=2, depth=(2, 6))
    brief = Literature().brief(spec for slot in Slot for spec in space.components(slot))
    config, provider = configured(params=300_000, trials=20), ScriptedProvider(Script(mixer="gated_conv"))
    designer = Designer(space, config, model=make(provider), brief=brief)
    for number in range(40):
        proposal = designer.propose(store.trials(STUDY))
        if proposal == "done":
            break
        state = (
            {"reason": "training diverged at step 3", "state": TrialState.FAILED, "metrics": {}} if number == 4 else {}
        )
        finish(store, add(store, config, space, proposal), **state)
    first, *_, last = (request.messages for request in provider.requests)
    assert first[0] == last[0]
    assert first[0].role == "system"
    assert (
        "min_gru: Gated recurrent unit that is scanned in parallel [arXiv 2410.01201]; expansion 1-3"
        in first[0].content
    )
    assert "Every model has 300,000 parameters" in first[0].content
    assert first[1] != last[1]
    assert "(the baseline)" in last[1].content
    assert "training diverged at step 3" in last[1].content
    characters = sum(len(message.content) for message in last)
    assert characters < 4_400  # about 1,200 tokens


@pytest.fixture(scope="module")
def extended():
    """The space with the component of `IDEA`, as if it had been written and verified."""
    known = catalogue()
    rule = find_rule([], [{}], [[width * width for width in WIDTHS]])
    summary = str(IDEA["idea"])
    known.add(ComponentSpec("running_mean", Slot.MIXER, "RunningMean", summary, "# torch only", counts=rule))
    return ArchitectureSpace(known, **SHAPE)


def until_card(store, config, space, model, writings=()):
    """Run a study up to its next card; return what was proposed, the card last."""
    designer = Designer(space, config, model=model)
    made = []
    while not made or not isinstance(made[-1], CardProposal):
        proposal = designer.propose(store.trials(STUDY), writings)
        assert proposal not in ("wait", "done")
        made.append(proposal)
        if isinstance(proposal, Proposal):
            finish(store, add(store, config, space, proposal))
    return made


def test_a_card_is_asked_for_early_and_its_component_is_tried_in_the_best_architecture(store, space, extended, make):
    config, model = configured(new_components=1, trials=20), make(ScriptedProvider(Script()))
    *before, proposed = until_card(store, config, space, model)
    assert sum(proposal.source == "llm" for proposal in before) == 1
    assert (proposed.number, proposed.card.name, str(proposed.card.slot)) == (0, "running_mean", "mixer")
    assert proposed.card.equations == EQUATIONS
    assert (proposed.proposal["why"], proposed.proposal["predicted_loss"]) == (IDEA["why"], 1.25)
    assert proposed.why.endswith("a new mixer: sums of the past are cheap")
    assert Designer(space, config, model=model).propose(store.trials(STUDY)) == proposed

    writings = Writings(store)
    record = writings.add(proposed.card, source="llm", study=STUDY, number=proposed.number, proposal=proposed.proposal)
    # While it is being written the study goes on, and no other card is open.
    meanwhile = Designer(space, config, model=model).propose(store.trials(STUDY), [record])
    assert isinstance(meanwhile, Proposal)
    assert meanwhile.source == "llm"
    finish(store, add(store, config, space, meanwhile))

    record = writings.finish(replace(record, state=WritingState.VERIFIED, version="0" * 12, commit="c"))
    trials = store.trials(STUDY)
    best = min(trials, key=lambda trial: trial.val_loss)
    # Not before the space has it.
    assert Designer(space, config, model=model).propose(trials, [record]).proposal.get("writing") is None
    mute = make(ScriptedProvider([]))
    tried = Designer(extended, config, model=mute).propose(trials, [record])
    assert tried.source == "llm"
    assert tried.proposal == {
        "slot": "llm",
        "writing": f"{STUDY}.c0",
        "why": IDEA["why"],
        "predicted_loss": 1.25,
    }
    architecture = Architecture.from_json(best.architecture)
    assert {block.mixer.name for block in tried.architecture.blocks} == {"running_mean"}
    assert {block.channel for block in tried.architecture.blocks} == {block.channel for block in architecture.blocks}
    assert tried.architecture.depth == architecture.depth
    assert tried.why == f"mixer running_mean is verified: it is tried in trial {best.number}"
    # Once, and there are no more cards.
    finish(store, add(store, config, extended, tried))
    rest = study(store, config, extended, make(ScriptedProvider(Script())), writings=[record])
    assert all(isinstance(proposal, Proposal) and "writing" not in proposal.proposal for proposal in rest)


def test_a_slot_is_kept_for_a_component_that_is_being_written(store, space, make):
    config = configured(new_components=1, trials=6)
    model = make(ScriptedProvider(Script()))
    card = until_card(store, config, space, model)[-1]
    record = Writings(store).add(card.card, source="llm", study=STUDY, number=0)
    designer = Designer(space, config, model=model)
    while (proposal := designer.propose(store.trials(STUDY), [record])) != "wait":
        finish(store, add(store, config, space, proposal))
    assert len(store.trials(STUDY)) == 1 + config.trials - 1
    failed = Writings(store).finish(replace(record, state=WritingState.FAILED))
    assert isinstance(designer.propose(store.trials(STUDY), [failed]), Proposal)


def test_a_component_that_could_not_be_verified_is_told_and_not_taken_again(store, space, make):
    config = configured(new_components=2, trials=30)
    script = Script()
    provider = ScriptedProvider(script)
    model = make(provider)
    card = until_card(store, config, space, model)[-1]
    record = Writings(store).add(card.card, source="llm", study=STUDY, number=0)
    failures = ({"check": "causal", "message": "the output at 3 depends on the input at 7"},)
    failed = Writings(store).finish(replace(record, state=WritingState.FAILED, failures=failures))
    script.name = "other_mean"
    card = until_card(store, config, space, model, [failed])[-1]
    assert (card.number, card.card.name) == (1, "other_mean")
    told = "mixer running_mean: tried, could not be verified: causal: the output at 3 depends on the input at 7"
    for prompt in ("propose_component", "propose_architecture"):
        assert told in [r for r in provider.requests if r.prompt == prompt][-1].messages[-1].content


def test_a_card_that_was_tried_is_refused_and_the_slot_goes_on(store, space, make):
    reason = "'running_mean' was tried already: have another idea"
    config = configured(new_components=2, trials=30)
    script = Script()
    provider = ScriptedProvider(script)
    model = make(provider)
    first = until_card(store, config, space, model)[-1]
    record = Writings(store).add(first.card, source="llm", study=STUDY, number=0)
    record = Writings(store).finish(replace(record, state=WritingState.FAILED))
    made = study(store, config, space, model, writings=[record])
    refused = [proposal for proposal in made if "card_refused" in proposal.proposal]
    assert refused
    assert {proposal.proposal["card_refused"] for proposal in refused} == {reason}
    assert all(proposal.source == "llm" for proposal in refused)
    cards = [request for request in provider.requests if request.prompt == "propose_component"]
    assert f"Your last answer was refused: {reason}." in cards[-1].messages[-1].content
    assert len(cards) == 1 + 2 * len(refused)
    assert len(refused) <= sum(proposal.source == "llm" for proposal in made) / 4


def test_a_trial_that_repeats_a_function_uses_up_no_budget_but_not_for_ever(store, space):
    config = configured(llm="none", trials=5)

    def told(store, trial):
        if trial.number < 3:
            return finish(store, trial)
        reason = "computes the same function as trial 1, with the same training numbers"
        return finish(
            store, trial, state=TrialState.PRUNED, metrics={}, reason=reason, duplicate_of=f"{STUDY}.1", cost_flops=None
        )

    made = study(store, config, space, None, told=told)
    # Two that count, as many repeats as the study has trials, and then they count.
    assert len(made) == 1 + 2 + 5 + 3
    assert len({proposal.architecture.id for proposal in made}) == len(made)


def test_known_functions_are_those_of_like_trials_that_had_finished(store, space):
    config = configured(llm="none", trials=4)
    functions = {}

    def told(store, trial):
        functions[trial.number] = f"f{trial.number}"
        return finish(store, trial, function=functions[trial.number])

    study(store, config, space, None, told=told, workers=2)
    trials = store.trials(STUDY)
    training = trials[0].architecture["training"]
    alike = [replace(trial, architecture={**trial.architecture, "training": training}) for trial in trials]
    last = alike[-1]
    assert known_functions(last, alike) == {
        functions[trial.number]: trial.id for trial in alike[:-1] if trial.finish_order <= last.after
    }
    assert known_functions(last, alike)
    assert known_functions(trials[-1], trials) == {}  # other training numbers
    assert known_functions(replace(last, rung=1, parent=trials[1].id), alike) == {}
    assert known_functions(replace(last, seed=5), alike) == {}
    assert known_functions(replace(last, after=0), alike) == {}


def test_a_component_is_chosen_among_well_formed_edits_that_were_not_tried(store, space, make):
    said = {"why": "powers sharpen", "choice": 2, "predicted_loss": 1.5}
    provider = ScriptedProvider(lambda request: json.dumps(said))
    architect = Architect(space, configured(new_components=3), make(provider), None)
    add(store, configured(), space, Designer(space, configured(), model=None).propose([]))
    trials = store.trials(STUDY)
    first = architect.card(trials, [], 0)
    assert first.proposal["way"] == "edit chosen"
    assert read_card(first.value).readable
    (asked,) = provider.requests
    shown = "\n".join(message.content for message in asked.messages)
    assert f"2. {first.value.summary}" in shown
    assert architect.card(trials, [], 0).value == first.value  # asked once, and found in the ledger
    assert len(provider.requests) == 1

    writing = Writings(store).add(first.value, source="llm", study=STUDY, number=0)
    again = architect.card(trials, [writing], 0)
    assert again.value.name != first.value.name
    assert f" {first.value.summary}" not in "\n".join(m.content for m in provider.requests[-1].messages)


def test_an_idea_whose_equations_nothing_reads_is_refused_and_a_number_asked_for(store, space, make):
    own = {
        "why": "it is new",
        "choice": 0,
        "idea": "attention that looks for two things at once",
        "predicted_loss": 1.5,
    }
    said = {
        "propose_component": own,
        "card_nearest": {"nearest": "attention", "change": "everything"},
        "card_equations": {"equations": ["y_t = W_o sharpen(W_v x_t)"], "name": "sharp"},
        "card_claims": {"cost": "quadratic", "says": []},
    }

    def answer_of(request):
        if request.prompt == "propose_component" and "cannot be read" in request.messages[-1].content:
            return json.dumps({**own, "choice": 1})
        return json.dumps(said[request.prompt])

    provider = ScriptedProvider(answer_of)
    architect = Architect(space, configured(new_components=3), make(provider), None)
    add(store, configured(), space, Designer(space, configured(), model=None).propose([]))
    designed = architect.card(store.trials(STUDY), [], 0)
    assert designed.proposal["way"] == "edit chosen"
    refused = [request.messages[-1].content for request in provider.requests if request.prompt == "propose_component"]
    assert "there is no function sharpen(...)" in refused[1]


def test_an_edit_that_does_not_exist_is_no_answer(store, space, make):
    provider = ScriptedProvider(lambda request: json.dumps({"why": "w", "choice": 11, "predicted_loss": 1.5}))
    architect = Architect(space, configured(new_components=3), make(provider), None)
    add(store, configured(), space, Designer(space, configured(), model=None).propose([]))
    designed = architect.card(store.trials(STUDY), [], 0)
    assert designed.value is None
    assert "choice" in designed.refused
