"""Regularised evolution: who lives, who is the parent."""

from __future__ import annotations

from neuramosaic.search.evolution import EvolutionSampler
from neuramosaic.space.domains import Categorical, Float
from neuramosaic.space.parameters import ParameterSpace

SPACE = ParameterSpace([Categorical(f"c{i}", "abcdef") for i in range(6)])


def changes(a, b):
    return sum(a[name] != b[name] for name in SPACE.names)


def point(letter):
    return dict.fromkeys(SPACE.names, letter)


def test_children_are_one_change_from_the_best_of_a_full_tournament():
    sampler = EvolutionSampler(SPACE, population=4, tournament=4)
    for letter, value in zip("abcd", (3.0, 1.0, 2.0, 4.0), strict=True):
        sampler.tell(point(letter), value)
    assert all(changes(child, point("b")) == 1 for child in sampler.ask(8))


def test_the_oldest_dies_however_good_it_was():
    sampler = EvolutionSampler(SPACE, population=3, tournament=3)
    sampler.tell(point("a"), 0.0)
    for letter, value in zip("bcd", (3.0, 1.0, 2.0), strict=True):
        sampler.tell(point(letter), value)
    assert all(changes(child, point("c")) == 1 for child in sampler.ask(8))


def test_failed_trials_never_enter_the_population():
    sampler = EvolutionSampler(SPACE, population=2, tournament=2)
    sampler.tell(point("a"), 1.0)
    sampler.tell(point("b"), 2.0)
    for letter in "cdef":
        sampler.tell(point(letter), None)
    assert all(changes(child, point("a")) == 1 for child in sampler.ask(8))


def test_crossover_mixes_two_parents():
    sampler = EvolutionSampler(SPACE, population=2, tournament=1, crossover=1.0)
    sampler.tell(point("a"), 1.0)
    sampler.tell(point("b"), 2.0)
    mixed = [child for child in sampler.ask(20) if {"a", "b"} <= set(child.values())]
    assert any(list(child.values()).count("a") > 1 and list(child.values()).count("b") > 1 for child in mixed)


def test_it_beats_chance_on_a_smooth_problem():
    space = ParameterSpace([Float(f"x{i}", 0, 1) for i in range(5)])

    def best(sampler):
        values = []
        for _ in range(80):
            (asked,) = sampler.ask()
            values.append(sum((x - 0.7) ** 2 for x in asked.values()))
            sampler.tell(asked, values[-1])
        return min(values), min(values[:10])

    for seed in range(3):
        last, first = best(EvolutionSampler(space, seed=seed))
        assert last < 0.3 * first
