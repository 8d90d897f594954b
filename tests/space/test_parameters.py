"""The parameter space, by properties over random spaces with nested conditions, and by example."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuramosaic.errors import InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.space.domains import Categorical, Float, Integer
from neuramosaic.space.parameters import Condition, ParameterSpace


@st.composite
def domains(draw, name, finite=False):
    kind = draw(st.sampled_from(["categorical", "integer"] + ([] if finite else ["float"])))
    if kind == "categorical":
        choices = draw(st.lists(st.sampled_from(["a", "b", "c", 3, 4.5, None, False]), min_size=1, unique=True))
        return Categorical(name, choices, default=draw(st.sampled_from(choices)))
    log = draw(st.booleans())
    if kind == "integer":
        low = draw(st.integers(1 if log else -9, 9))
        return Integer(name, low, low + draw(st.integers(0, 3 if finite else 10**4)), log=log)
    low = draw(st.sampled_from([1e-6, 1e-4, 0.1, 3.0] if log else [-5.0, -1e-3, 0.0, 1e3]))
    return Float(name, low, low + draw(st.sampled_from([1e-3, 1.0, 12.5, 1e4])), log=log)


@st.composite
def spaces(draw, finite=False):
    parameters = [draw(domains(f"p{i}", finite)) for i in range(draw(st.integers(1, 5)))]
    shuffled = draw(st.permutations(parameters))
    conditions = []
    for index, child in enumerate(shuffled):
        parents = [p for p in shuffled[:index] if not isinstance(p, Float)]
        for parent in draw(st.lists(st.sampled_from(parents), max_size=2, unique_by=id) if parents else st.just([])):
            values = list(itertools.islice(parent.values(), 4))
            chosen = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
            conditions.append(Condition(child.name, parent.name, tuple(chosen)))
    return ParameterSpace(parameters, conditions)


seeds = st.integers(0, 2**32).map(np.random.default_rng)


@given(spaces(), seeds)
def test_round_trip_is_exact(space, rng):
    for point in [space.default(), *(space.sample(rng) for _ in range(5))]:
        space.validate(point)
        vector = space.encode(point)
        assert vector.shape == (space.dimension,)
        assert ((vector >= 0) & (vector <= 1)).all()
        assert space.decode(vector) == point
        assert list(space.decode(vector)) == list(point)
        assert space.active(point) == list(point)


@given(spaces(), st.data())
def test_decode_is_total(space, data):
    anything = st.floats(allow_nan=True, allow_infinity=True)
    vector = data.draw(st.lists(anything, min_size=space.dimension, max_size=space.dimension))
    point = space.decode(vector)
    space.validate(point)
    assert space.decode(space.encode(point)) == point


@given(spaces(), seeds, st.integers(1, 4))
def test_mutation_is_valid_and_different(space, rng, n):
    point = space.sample(rng)
    before = dict(point)
    mutant = space.mutate(point, rng, n)
    space.validate(mutant)
    assert point == before
    assert mutant != point or space.size == 1


@given(spaces(), seeds)
def test_crossover_is_valid_and_takes_from_its_parents(space, rng):
    a, b = space.sample(rng), space.sample(rng)
    child = space.crossover(a, b, rng)
    space.validate(child)
    for name, value in child.items():
        if name in a or name in b:
            assert value in [parent[name] for parent in (a, b) if name in parent]
    assert space.crossover(a, a, rng) == a


@given(spaces(), seeds)
def test_distance_is_a_metric(space, rng):
    a, b, c = (space.sample(rng) for _ in range(3))
    assert space.distance(a, a) == 0
    assert space.distance(a, b) == space.distance(b, a)
    assert 0 <= space.distance(a, b) <= 1
    assert (space.distance(a, b) == 0) == (a == b)
    assert space.distance(a, c) <= space.distance(a, b) + space.distance(b, c) + 1e-12


@given(spaces(), seeds)
def test_neighbours_are_valid_distinct_and_one_change_away(space, rng):
    point = space.sample(rng)
    neighbours = list(space.neighbours(point))
    keys = {space.key(neighbour) for neighbour in neighbours}
    assert len(keys) == len(neighbours)
    assert space.key(point) not in keys
    assert bool(neighbours) == (space.size != 1)
    for neighbour in neighbours:
        space.validate(neighbour)
        changed = [name for name in point if name in neighbour and neighbour[name] != point[name]]
        assert len(changed) == 1


@settings(deadline=None)
@given(spaces(finite=True))
def test_size_counts_the_points(space):
    points = list(itertools.islice(space.points(), 5000))
    for point in points[:20]:
        space.validate(point)
    assert len({space.key(point) for point in points}) == len(points)
    assert len(points) == min(space.size, 5000)


@given(spaces(), seeds)
def test_a_seed_fixes_every_move(space, rng):
    point, other = space.sample(rng), space.sample(rng)

    def moves(seed):
        own = np.random.default_rng(seed)
        return space.sample(own), space.mutate(point, own), space.crossover(point, other, own)

    assert moves(5) == moves(5)


def tree(branches: int) -> ParameterSpace:
    parameters, conditions = [Integer("n", 1, branches)], []
    for i in range(branches):
        parameters += [Categorical(f"b{i}", ("x", "y")), Integer(f"b{i}.x", 1, 8), Categorical(f"b{i}.y", "pqr")]
        conditions += [
            Condition(f"b{i}", "n", tuple(range(i + 1, branches + 1))),
            Condition(f"b{i}.x", f"b{i}", ("x",)),
            Condition(f"b{i}.y", f"b{i}", ("y",)),
        ]
    return ParameterSpace(parameters, conditions)


def test_size_of_a_large_tree_needs_no_listing():
    assert tree(20).size == sum(11**n for n in range(1, 21))


def test_inactive_dimensions_hold_their_default():
    space = tree(2)
    vector = space.encode({"n": 1, "b0": "x", "b0.x": 8})
    names = dict(zip(space.names, vector, strict=True))
    assert names["b1"] == space["b1"].to_unit("x")
    assert names["b1.x"] == space["b1.x"].to_unit(space["b1.x"].default)


def test_children_may_stand_before_their_parents():
    space = ParameterSpace([Integer("heads", 1, 8), Categorical("op", "ab")], [Condition("heads", "op", ("b",))])
    assert space.default() == {"op": "a"}
    assert list(space.decode([0.0, 1.0])) == ["heads", "op"]


def test_the_version_names_the_definition():
    assert tree(2).version == tree(2).version
    assert tree(2) == tree(2)
    assert hash(tree(2)) == hash(tree(2))
    versions = {
        ParameterSpace([Integer("a", 1, 2)]).version,
        ParameterSpace([Integer("a", 1, 3)]).version,
        ParameterSpace([Integer("a", 1, 3, log=True)]).version,
        ParameterSpace([Integer("a", 1, 3, default=1)]).version,
        ParameterSpace([Integer("b", 1, 3)]).version,
        ParameterSpace([Categorical("a", (1, 2))]).version,
        ParameterSpace([Categorical("a", (1, 2)), Integer("b", 1, 2)], [Condition("b", "a", (1,))]).version,
    }
    assert len(versions) == 7
    # Stored with every trial: it must stay the same for good.
    assert ParameterSpace([Float("lr", 1e-4, 1e-2, log=True)]).version == (
        "sha256:41b130d1bf1d4f7a7d315b50688e5609dc6d18448f53ecc91a7fed9e971e6ca8"
    )


@pytest.mark.parametrize(
    ("point", "error", "field", "text"),
    [
        ({"n": 1, "b0": "x"}, InvalidValueError, "b0.x", "missing"),
        ({"n": 1, "b0": "z", "b0.x": 1}, InvalidValueError, "b0", "one of"),
        ({"n": 1, "b0": "x", "b0.x": 9}, InvalidValueError, "b0.x", "from 1 to 8"),
        ({"n": 1, "b0": "x", "b0.x": True}, InvalidValueError, "b0.x", "from 1 to 8"),
        ({"n": 1, "b0": "x", "b0.x": 1, "b0.y": "p"}, InvalidValueError, "b0.y", "no value unless b0 is one of"),
        ({"n": 1, "b0": "x", "b0.x": 1, "b1": "x"}, InvalidValueError, "b1", "no value unless n is one of"),
        (["n"], InvalidValueError, "point", "mapping"),
    ],
)
def test_an_invalid_point_is_refused_by_field(point, error, field, text):
    with pytest.raises(error, match=text) as caught:
        tree(2).validate(point)
    assert caught.value.field == field


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownOptionError, match=r"did you mean 'b0\.x'"):
        tree(2).validate({"n": 1, "b0": "x", "b0.xx": 1})


@pytest.mark.parametrize(
    ("conditions", "error", "text"),
    [
        ([Condition("a", "b", (1,)), Condition("b", "a", (1,))], UsageError, "circle"),
        ([Condition("a", "a", (1,))], UsageError, "circle"),
        ([Condition("a", "nope", (1,))], UnknownNameError, "nope"),
        ([Condition("nope", "a", (1,))], UnknownNameError, "nope"),
        ([Condition("a", "b", (7,))], InvalidValueError, "b: 7"),
        ([Condition("a", "b", ())], UsageError, "no values"),
        ([Condition("a", "f", (0.5,))], UsageError, "Float"),
    ],
)
def test_an_impossible_condition_is_refused(conditions, error, text):
    with pytest.raises(error, match=text):
        ParameterSpace([Integer("a", 1, 2), Integer("b", 1, 2), Float("f", 0, 1)], conditions)


def test_an_impossible_space_is_refused():
    with pytest.raises(UsageError, match="at least one"):
        ParameterSpace([])
    with pytest.raises(UsageError, match="repeat: a"):
        ParameterSpace([Integer("a", 1, 2), Float("a", 0, 1)])
    with pytest.raises(UsageError, match="cannot be listed"):
        ParameterSpace([Float("a", 0, 1)]).points()
    assert ParameterSpace([Float("a", 0, 1)]).size is None
    with pytest.raises(InvalidValueError, match="shape"):
        tree(1).decode([0.5])
    with pytest.raises(UnknownNameError):
        tree(1)["nope"]
