"""Notation: equations as papers write them, as lines of a sketch."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuramosaic.codegen.sketch.facts import facts_of
from neuramosaic.codegen.sketch.notation import Notation, transcribe
from neuramosaic.components.card import Card


def rewritten(*equations):
    notation = Notation()
    return [line for line in map(notation.rewrite, transcribe(equations)) if line]


def card(*equations, **fields):
    return Card.from_mapping(
        {"name": "one", "slot": "mixer", "summary": "A mixer", "equations": list(equations), **fields}
    )


@pytest.mark.parametrize(
    ("equations", "lines"),
    [
        (["y_t = W_o (W_v x_t * sigmoid(W_g x_t))"], ["return W_o(W_v(x_t) * sigmoid(W_g(x_t)))"]),
        (["h_t = a_t * h_(t-1) + b_t", "y_t = W_o h_t"], ["h = recur(a_t, b_t)", "return W_o(h_t)"]),
        (["h_t = (1 - z_t) * h_{t-1} + z_t * u_t", "y_t = h_t"], ["h = recur((1 - z_t), z_t * u_t)", "return h_t"]),
        (["S_t = g_t S_(t-1) + k_t v_t^T", "y_t = q_t S_t"], ["return matrix_scan(q, k, v, g_t)"]),
        (["S_t = S_(t-1) + k_t v_t^T", "y_t = S_t^T q_t"], ["return matrix_scan(q, k, v)"]),
        (
            ["S_t = a_t S_(t-1) (I - b_t k_t k_t^T) + b_t k_t v_t^T", "y_t = q_t S_t"],
            ["return delta_scan(q, k, v, b_t, a_t)"],
        ),
        (["y_t = sum_(s<=t) softmax_s(q_t . k_s / sqrt(d)) v_s"], ["return (causal_softmax(scores(q, k)) @ v)"]),
        (
            ["w_ts = softmax_s(q_t . k_s / sqrt(d)), t - 8 < s <= t", "y_t = sum_s w_ts v_s"],
            ["return (window_attention(q, k, v, 8))"],
        ),
        (
            ["w_ts = softmax_s(tau * cos(q_t, k_s))", "y_t = sum_s w_ts v_s"],
            ["return (causal_softmax(tau * cosine(q, k)) @ v)"],
        ),
        (
            ["w_ij = softmax_j(q_i . k_j / sqrt(d))", "y_i = sum_j w_ij v_j"],
            ["return (causal_softmax(scores(q, k)) @ v)"],
        ),
        (["y_t = sum_(i<4) w_i * x_(t-i)"], ["return causal_conv(x, 4)"]),
        (["y_t = sum_(i<4) w_i * x_(t-2i)"], ["return causal_conv(x, 4, 2)"]),
        (["y_t = sum_(i<4) w_i * (a * b)_(t-i)"], ["return causal_conv((a * b), 4)"]),
        (["y_t = 1/8 sum_(i<8) x_(t-i)"], ["return 1 / 8 * (8 * running_mean(x, 8))"]),
        (["y_t = (1/t) sum_(s<=t) v_s"], ["return running_mean(v)"]),
        (["y_t = W_o [a_t; b_t]"], ["return W_o(concat(a_t, b_t))"]),
        (["[a_t, b_t] = W_in x_t", "y_t = a_t * b_t"], ["a, b = chunk(W_in(x), 2)", "return a_t * b_t"]),
        (["y_t = z_t where z_t > 0, 0 elsewhere"], ["return where(z_t > 0, z_t, 0)"]),
        (["k'_t = k_t / |k_t|", "y_t = k'_t"], ["kp_t = normalize(k_t)", "return kp_t"]),
        (["y_t = |x_t|^p"], ["return abs(x_t) ** p"]),
        (["y_t = x_t - x_(t-1)"], ["return x_t - shift(x)"]),
        (["phi(z) = elu(z) + 1", "y_t = phi(q_t)"], ["return (elu(q_t) + 1)"]),
        (["log a_t = -softplus(z_t)", "y_t = a_t"], ["a_t = exp(-softplus(z_t))", "return a_t"]),
        (
            ["y_t = a_t * v_t", "a_t = sigmoid(W_a x_t), one number per head"],
            ["a_t = sigmoid(W_a(x_t))", "return a_t * v_t"],
        ),
        ([r"y_t = \sigma(W_g x_t) \odot \tanh(W_v x_t)"], ["return sigmoid(W_g(x_t)) * tanh(W_v(x_t))"]),
        ([r"y_{t} = \lambda x_{t}"], ["return lam * x_t"]),
        (["y_t = \u03b1 \u2299 x_t + \u03b2"], ["return alpha * x_t + beta"]),
    ],
)  # fmt: skip
def test_an_equation_becomes_lines(equations, lines):
    written = rewritten(*equations)
    assert written == [*lines[:-1], lines[-1]]
    for line in written:
        ast.parse(line)


@pytest.mark.parametrize(
    "line",
    [
        "q = split_heads(linear(x))",
        "return linear(v - m) * linear(x).sigmoid()",
        "a, b = chunk(linear(x, 2 * d_model), 2)",
        "h = z if z else x",
    ],
)
def test_python_is_left_alone(line):
    assert Notation().rewrite(line) == line


@pytest.mark.parametrize(
    "equation",
    [
        "y_t = x_t if x_t > 0, otherwise 0",
        "y_t = the k greatest of x_t",
        "y_t = x_t among the largest",
        "y_t = " + "x_t + " * 400 + "x_t",
    ],
)
def test_what_holds_only_sometimes_makes_no_line(equation):
    assert transcribe(["z_t = W x_t", equation]) == []


def test_more_definitions_than_a_component_has_make_no_line():
    assert transcribe([f"a_t = x_t, b{number} = 2, c{number} = 3" for number in range(60)]) == []


def test_a_sentence_is_no_equation():
    assert rewritten("the output is y = good", "y_t = W_o x_t") == ["return W_o(x_t)"]


def test_remarks_say_sizes_constants_and_first_values():
    facts = facts_of(
        card(
            "z_t = W_d x_t with D / 4 elements",
            "a_t = exp(-c * softplus(l)), c = 8",
            "W_v maps the D channels to 2 D.",
            "one learned number tau per head starting at log 10",
            "y_t = sum_(i<K) w_i * z_(t-i), 3 taps",
        )
    )
    assert facts.map_sizes == {"W_d": "d_model // 4", "W_v": "2 * d_model"}
    assert facts.constants == {"c": "8"}
    assert facts.starts == {"tau": "2.302585"}
    assert facts.numbers == {"tau"}
    assert facts.taps == 3


@pytest.mark.parametrize("words", ["log 0 / 0", "1 / 0", "exp 100000", "sqrt -1"])
def test_a_first_value_that_is_no_number_is_none(words):
    starts = facts_of(card(f"a learned number tau starting at {words}", "y_t = tau x_t")).starts
    assert all(abs(float(value)) < 1e6 for value in starts.values())


_PIECES = st.sampled_from(
    "x_t y_t h_(t-1) S_t S_(t-1) k_t v_t^T q_t = + - * / ( ) [ ] { } , ; . | || ' ^ _ ** sum_s sum_(s<=t) "
    "sum_(i<K) w_i "
    "x_(t-i) softmax_s cos( W_o W W_j max_( phi(z) I (I log where with elsewhere of over softmax 1/t lambda in 007 1e9 "
    "\\frac \\lambda _ts w_ts N(0, learned number starting at maps to D hidden units packed_zz_(t "
    "\u03b1 \u00b2 \u0663".split()
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_PIECES, max_size=24).map(" ".join), max_size=4))
def test_nonsense_never_raises(equations):
    for line in rewritten(*equations):
        assert isinstance(line, str)
    facts = facts_of(card("y = x", *(equation for equation in equations if equation)))
    for number in (
        *facts.constants.values(),
        *facts.starts.values(),
        *facts.spreads.values(),
        *facts.map_sizes.values(),
    ):
        ast.parse(number, mode="eval")


@pytest.mark.parametrize(
    "piece",
    [
        " ", "(", "(a ", "[", "|a", "a / |", "x_t ", "sum_s ", "softmax over ", "softmax over of ", "W ", "-", "'",
        "_{",
        "learned number ", "W maps ", "with D ", "D / ", "a = 1, ", "y_t = h_(t-1) + ", "cos(", "(W x)_(t", "where ",
        "q . k",
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [990, 4000])
def test_long_nonsense_ends(piece, length):
    text = ("y_t = " + piece * length)[:length]
    rewritten(text)
    Notation().rewrite(text)
    facts_of(card(text))
