"""The compiler of sketches: classes that work, read well, and a clear line for what makes none."""

import ast
import builtins
import keyword

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neuramosaic.codegen.inlining import block_names, inline_blocks
from neuramosaic.codegen.sketch import SketchError, compile_sketch
from neuramosaic.codegen.sketch.notation import transcribe
from neuramosaic.components.card import Card
from neuramosaic.errors import CodegenError

WIDTH = 16


def card(*equations, hyperparameters=(), **fields):
    made = [{"name": name, "kind": "integer", "domain": [1, 8], "default": 2} for name in hyperparameters]
    data = {"name": "one_of_them", "slot": "mixer", "summary": "A mixer", "equations": list(equations)}
    return Card.from_mapping({**data, "hyperparameters": made, **fields})


def built(source, *arguments):
    """The component that a source makes."""
    namespace = {"__name__": "made"}
    exec(inline_blocks(source), namespace)
    return namespace["OneOfThem"](WIDTH, *arguments)


def output(source, *arguments, length=6):
    return built(source, *arguments)(torch.randn(2, length, WIDTH))


@pytest.mark.parametrize(
    "equations",
    [
        ["y_t = W_o (W_v x_t * sigmoid(W_g x_t))"],
        ["h_t = a_t * h_(t-1) + (1 - a_t) * W_v x_t", "a_t = sigmoid(W_a x_t)", "y_t = W_o h_t"],
        [
            "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, split into heads",
            "w_ts = softmax_s(q_t . k_s / sqrt(d)), t - 4 < s <= t",
            "y_t = W_o sum_s w_ts v_s",
        ],
        ["y_t = W_o sum_(i<4) w_i * (W_v x)_(t-i)"],
        ["y_t = W_o (1/t) sum_(s<=t) (W_v x_s)"],
        ["[a_t, b_t] = W_in x_t", "y_t = W_o (a_t * silu(b_t))"],
        ["h_t = W_d x_t with D / 4 elements", "y_t = W_u relu(h_t)"],
        ["y_t = x_t^2 where x_t > 0, 0 elsewhere"],
    ],
)
def test_equations_become_a_component(equations):
    assert output(compile_sketch("\n".join(transcribe(equations)), card(*equations))).shape == (2, 6, WIDTH)


def test_a_size_that_a_remark_says_is_the_map_s():
    equations = ["h_t = W_d x_t with D / 4 elements", "y_t = W_u relu(h_t)"]
    component = built(compile_sketch("\n".join(transcribe(equations)), card(*equations)))
    assert sorted(item.numel() for item in component.parameters()) == [WIDTH * WIDTH // 4] * 2


def test_a_recurrence_computes_what_it_says():
    component = built(compile_sketch("h = recur(0.5, x)\nreturn h", card()))
    x = torch.randn(1, 4, WIDTH)
    expected, h = [], torch.zeros(1, WIDTH)
    for step in x.unbind(1):
        h = 0.5 * h + step
        expected.append(h)
    torch.testing.assert_close(component(x), torch.stack(expected, 1))


def test_a_modulator_runs_its_block():
    source = compile_sketch("return x + param() * block(rms_norm(x))", card(slot="modulator"))
    assert built(source, nn.Linear(WIDTH, WIDTH))(torch.randn(2, 3, WIDTH)).shape == (2, 3, WIDTH)


TAKEN = sorted(
    {*(name for name in dir(nn.Module) if not name.startswith("__")), *block_names(), "torch", "F", "math", "t"}
)


@pytest.mark.parametrize("name", [*TAKEN, *(name for name in dir(builtins) if name.islower() and name[0] != "_")])
def test_a_name_that_is_taken_breaks_no_class(name):
    sketch = f"{name} = linear(x)\nh = shift({name}) + relu({name}) + causal_conv({name}, 2) + max({name}, 0)\nreturn h"
    component = built(compile_sketch(sketch, card()))
    component.train().eval().to(torch.float32).half().float().double()
    assert len(list(component.parameters())) == 2
    assert component(torch.randn(2, 3, WIDTH, dtype=torch.float64)).shape == (2, 3, WIDTH)


@pytest.mark.parametrize("name", ["train", "half", "type", "eval", "parameters", "t", "window"])
def test_a_hyperparameter_may_have_any_name(name):
    source = compile_sketch(f"z = linear(x, {name} * d_model)\nreturn linear(z) / {name}", card(hyperparameters=[name]))
    component = built(source, 3)
    assert component.train().double()(torch.randn(2, 3, WIDTH, dtype=torch.float64)).shape == (2, 3, WIDTH)
    assert max(item.shape[0] for item in component.parameters()) == 3 * WIDTH


@pytest.mark.parametrize("word", keyword.kwlist)
def test_a_word_of_python_is_refused_in_a_line(word):
    with pytest.raises(SketchError):
        compile_sketch(f"{word} = linear(x)\nreturn {word} + {word} +", card())


LONG = "z = linear(x)\nreturn " + " + ".join(
    f"sigmoid(z + {n}) * tanh(z - {n}) / sqrt(1 + square(z * {n}))" for n in range(9)
)


def test_lines_are_short_enough_to_read():
    source = compile_sketch(LONG, card(summary="A " + "long " * 38 + "sum"))
    assert max(map(len, source.splitlines())) <= 120
    assert output(source).shape == (2, 6, WIDTH)
    z = torch.randn(2, 3, WIDTH)
    component = built(source)
    mapped = next(iter(component.children()))(z)
    terms = [torch.sigmoid(mapped + n) * torch.tanh(mapped - n) / (1 + (mapped * n) ** 2) ** 0.5 for n in range(9)]
    torch.testing.assert_close(component(z), sum(terms))


def test_many_hyperparameters_stand_one_a_line():
    names = [f"a_hyperparameter_number_{number}" for number in range(8)]
    source = compile_sketch(f"return linear(x) * ({' + '.join(names)})", card(hyperparameters=names))
    assert max(map(len, source.splitlines())) <= 120
    assert "        a_hyperparameter_number_3=2,\n" in source


@pytest.mark.parametrize("summary", ['It is """quoted"""', 'ends in a quote"', "a back\\slash", '"""', "ends in \\"])
def test_a_summary_stays_in_its_docstring(summary):
    tree = ast.parse(compile_sketch("return linear(x)", card(summary=summary)))
    assert ast.get_docstring(tree.body[0])


@pytest.mark.parametrize(
    ("sketch", "message"),
    [
        ("", "the sketch is empty"),
        ("y = linear(x", "is no Python"),
        ("import torch\nreturn x", "no loops"),
        ("x[0] = linear(x)", "assign to a plain name"),
        ("a, b = linear(x)\nreturn a", "several names take several values"),
        ("a, b = chunk()\nreturn a", "several names take several values"),
        ("return rely(x)", "did you mean relu"),
        ("return int()", "no function int"),
        ("return block(x)", "only a modulator has a block"),
        ("return zeta", "zeta is not known"),
        ("return linear(x, zeta)", "zeta is not known"),
        ("q = split_heads(linear(x))\nreturn scores(q, q)", "the output is scores"),
        ("return x + linear(x, 3) + linear(x, 5)", "do not fit"),
        ("return causal_conv(x, 2, 1, 7)", "takes 3 arguments, not 4"),
        ("return relu(z=x, inplace=True)", "has no argument inplace"),
        ("return recur(0.5)", "b is missing"),
        ("return " + "(" * 90 + "x" + ")" * 90 + "+ x" * 4000, "nested too deeply"),
    ],
)
def test_what_makes_no_component_is_said(sketch, message):
    with pytest.raises(SketchError, match=message):
        compile_sketch(sketch, card())


_NAMES = st.sampled_from(
    "linear split_heads scores causal_softmax causal recur shift chunk concat top_k where clamp int view "
    "transpose power "
    "mean cosine matrix_scan delta_scan window_attention group_max running_mean param param_number max norm block dot "
    "W_o".split()
)
_LEAVES = st.sampled_from(
    "x q v a heads d_model inner head_dim t h D 0 1 2 -1 0.5 1e999 None True T self.a math.pi x.mT".split()
)
_EXPRESSIONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "@", "**", ">", "//"]), inner).map(" ".join),
        st.tuples(_NAMES, st.lists(inner, max_size=4)).map(lambda call: f"{call[0]}({', '.join(call[1])})"),
        st.tuples(inner, _NAMES, inner).map(lambda call: f"({call[0]}).{call[1]}({call[2]})"),
        inner.map(lambda text: f"({text}).mT"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_EXPRESSIONS, min_size=1, max_size=3), st.sampled_from(["mixer", "modulator"]))
def test_nonsense_raises_nothing_but_its_error(expressions, slot):
    lines = [f"{name} = {text}" for name, text in zip(("q", "v", "a"), expressions, strict=False)]
    try:
        source = compile_sketch("\n".join([*lines, f"return {expressions[-1]}"]), card("y = q + v + a", slot=slot))
    except CodegenError:
        return
    ast.parse(source)
