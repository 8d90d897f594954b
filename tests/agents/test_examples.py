"""The worked examples that a model is shown: each passes the whole ladder."""

import pytest

from agents.bench import Bench
from agents.writer.candidate import from_sketch
from agents.writer.examples import Example, built_in_examples, nearest
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import Provenance
from neuramosaic.verify.catalogue import verification_job

EXAMPLES = {example.card.name: example for example in built_in_examples()}


@pytest.fixture(scope="module")
def bench():
    with Bench("process") as started:
        yield started


def made(example: Example, **changes):
    """Return what an example compiles to, under a name that the catalogue has not."""
    card = example.card.model_copy(update={"name": f"example_{example.card.name}", **changes})
    candidate = from_sketch(example.sketch, card, "sketch", Provenance.OWN)
    assert candidate.failure is None
    return candidate.component, card


def climbed(component, card, bench):
    settings = component.defaults()
    job = verification_job(component, catalogue(), settings, properties=card.claims())
    return bench.verify(component.name, job, settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_passes_the_whole_ladder(name, bench):
    verdict = climbed(*made(EXAMPLES[name]), bench)
    assert verdict.passed, verdict.checks[-1]


@pytest.mark.slow
def test_an_example_that_sees_the_future_would_not_be(bench):
    example = EXAMPLES["attention"]
    leaky = Example(example.card, example.sketch.replace("causal_softmax(scores(q, k))", "sigmoid(scores(q, k))"))
    component, card = made(leaky)
    assert climbed(component, card, bench).checks[-1]["name"] == "causal"


def test_every_example_compiles_and_says_what_its_card_says():
    assert len(EXAMPLES) > 8
    for example in EXAMPLES.values():
        made(example)


def test_an_example_leaves_itself_out_when_it_is_asked_for():
    card = EXAMPLES["attention"].card
    found = nearest(card, list(EXAMPLES.values()))
    assert [example.card.slot for example in found] == [card.slot] * 2
    assert card.name not in [example.card.name for example in found]


def test_an_example_is_not_far_from_a_card_like_it():
    card = Card.from_yaml(
        "{name: near, slot: mixer, summary: Softmax attention within a window of the last positions, cost: linear}"
    )
    assert nearest(card, list(EXAMPLES.values()))[0].card.name == "sliding_attention"
