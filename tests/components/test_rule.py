"""The rule of a component's size: exact where there is one, refused where there is none."""

import json

import pytest
import torch

from neuramosaic.components.counting import count_on_meta
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import WIDTHS, NoRuleError, ParameterRule, find_rule, settings_to_count
from neuramosaic.components.spec import Slot
from neuramosaic.errors import UsageError
from neuramosaic.space.domains import Categorical, Float, Integer

SPECS = [*catalogue().slot(Slot.MIXER), *catalogue().slot(Slot.CHANNEL), *catalogue().slot(Slot.NORM)]
UNSEEN = (16, 17, 144, 145, 219, 300, 333, 640, 768, 901, 1500)


def counter(spec):
    namespace = {"__name__": "component"}
    exec(spec.source, namespace)
    return lambda width, setting: count_on_meta(lambda: namespace[spec.class_name](width, **setting))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.slot}-{spec.name}")
def test_the_rule_of_a_component_is_exact_at_widths_that_it_was_not_found_from(spec):
    count = counter(spec)
    # The first and last value of each: the largest components have more settings than are counted.
    every = {item.name: list(item.values()) for item in spec.hyperparameters}
    domains = [Categorical(name, tuple(dict.fromkeys((values[0], values[-1])))) for name, values in every.items()]
    settings = settings_to_count(domains)[::7]
    rule = find_rule(domains, settings, [[count(width, item) for width in WIDTHS] for item in settings])
    for setting in settings:
        assert [rule.count(width, setting) for width in UNSEEN] == [count(width, setting) for width in UNSEEN]
    assert ParameterRule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


def rule_of(count, domains=()):
    settings = settings_to_count(domains)
    return find_rule(domains, settings, [[count(width, **item) for width in WIDTHS] for item in settings])


def test_rounding_to_heads_is_a_rule_with_a_period():
    rule = rule_of(lambda width, heads: 3 * width * heads * (width // heads), [Categorical("heads", (1, 8))])
    assert rule.count(100, {"heads": 8}) == 3 * 100 * 96
    assert [len(rows) for rows in rule.quadratics] == [1, 8]


@pytest.mark.parametrize(
    "count",
    [
        lambda width: width**3,
        lambda width: width if width < 600 else 2 * width,  # a rule near by, another one far off
        lambda width: width + (width % 49),
        lambda width: 2 ** (width // 64),
    ],
)
def test_what_is_no_rule_is_refused(count):
    with pytest.raises(NoRuleError, match="no quadratic in D"):
        rule_of(count)


def test_a_real_number_may_not_change_the_size():
    domains = [Float("fraction", 0.1, 0.9, default=0.5)]
    assert rule_of(lambda width, fraction: 7 * width, domains).count(20, {"fraction": 0.3}) == 140
    with pytest.raises(NoRuleError, match="changes with a real number"):
        rule_of(lambda width, fraction: int(100 * fraction), domains)


def test_too_many_settings_are_refused():
    with pytest.raises(NoRuleError, match="1000 settings, at most 256"):
        settings_to_count([Integer("size", 1, 1000)])


def test_counts_that_are_missing_are_refused():
    with pytest.raises(NoRuleError, match="not counted at every width"):
        find_rule([], [{}], [[1, 2, 3]])


def test_what_was_not_measured_is_not_guessed():
    rule = rule_of(lambda width, heads: width, [Categorical("heads", (1, 2))])
    with pytest.raises(UsageError, match="from width 16 on"):
        rule.count(8, {"heads": 1})
    with pytest.raises(UsageError, match="not counted with"):
        rule.count(32, {"heads": 4})
    # True equals 1 in Python, and is another value of a hyper-parameter.
    with pytest.raises(UsageError, match="not counted with"):
        rule.count(32, {"heads": True})


def test_counting_for_a_rule_draws_no_random_numbers():
    state = torch.random.get_rng_state()
    counter(catalogue().get("mixer", "attention"))(64, {})
    assert torch.equal(torch.random.get_rng_state(), state)
