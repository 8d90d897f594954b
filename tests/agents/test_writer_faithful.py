"""Whether code is what its card says, and which functions a card speaks of."""

import re

import pytest

from agents.writer.candidate import from_equations, from_sketch
from agents.writer.examples import built_in_examples
from agents.writer.faithful import unfaithful
from agents.writer.hints import overlap, suggest
from benchmarks.verified_code import CARDS, read_cards
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Provenance

CODE = """class One(nn.Module):
    def __init__(self, d_model, taps=4):
        super().__init__()
        self.taps = taps
        self.map = nn.Linear(d_model, d_model)

    def forward(self, x):
        return torch.sigmoid(self.map(x))
"""


def card(*equations, slot="mixer", summary="A mixer", hyperparameters=()):
    made = [{"name": name, "kind": "integer", "domain": [1, 8], "default": 4} for name in hyperparameters]
    return Card.from_mapping(
        {"name": "one", "slot": slot, "summary": summary, "equations": list(equations), "hyperparameters": made}
    )


def test_code_that_says_what_its_card_says_is_faithful():
    assert unfaithful(CODE, card("y_t = sigmoid(W x_t)", hyperparameters=["taps"])) is None


@pytest.mark.parametrize(
    ("equation", "slot", "hyperparameters", "omission"),
    [
        ("y_t = sigmoid(W x_t)", "mixer", ["taps", "width"], "hyper-parameter width is never used"),
        ("y_t = tanh(W x_t)", "mixer", ["taps"], r"have tanh\(...\), the code has none"),
        ("y_t = relu (W x_t)", "mixer", [], r"have relu\(...\)"),
        ("y_t = softmax_s(W x_t)", "mixer", [], r"have softmax\(...\)"),
        ("y_t = block(x_t)", "modulator", [], "the block is never run"),
    ],
)
def test_what_is_left_out_is_named(equation, slot, hyperparameters, omission):
    said = unfaithful(CODE, card(equation, slot=slot, hyperparameters=hyperparameters))
    assert said is not None
    assert re.search(omission, said)


@pytest.mark.parametrize(
    ("equation", "line"),
    [
        ("y_t = silu(x_t)", "F.silu(x)"),
        ("y_t = softmax_s(x_t)", "causal_attention(q, k, v)"),
        ("y_t = cos(q_t, k_s)", "F.normalize(q)"),
        ("y_t = x_t / sqrt(d)", "x / d ** 0.5"),
        ("y_t = x_t / sqrt(d)", "x / d**0.5"),
    ],
)
def test_other_spellings_of_a_function_count(equation, line):
    assert unfaithful(f"def f(x):\n    return {line}\n", card(equation)) is None


@pytest.mark.parametrize(
    ("equation", "slot", "expected"),
    [
        ("S_t = (I - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t^T", "mixer", ["delta_scan", "matrix_scan"]),
        ("h_t = a_t * h_(t-1) + b_t", "mixer", ["recur"]),
        ("w_ts = softmax_s(q_t . k_s), t - w < s <= t", "mixer", ["causal_softmax", "scores", "window_attention"]),
        ("y_t = tanh(x_t)", "channel", []),
        ("y_t = cos(x_t)", "channel", []),
        ("y_t = f(x_t) + x_t", "modulator", ["block"]),
        ("y_t = f(x_t) + x_t", "channel", []),
    ],
)
def test_a_card_speaks_of_functions(equation, slot, expected):
    found = suggest(card(equation, slot=slot, summary="One"))
    assert list(found[: len(expected)]) == expected
    assert bool(found) == bool(expected)


def test_overlap_is_the_share_of_functions_in_common():
    sketch = "h = recur(a, b)\nreturn linear(shift(h))"
    assert overlap(["recur"], sketch) == 0.5
    assert overlap(["recur", "shift"], sketch) == 1.0
    assert overlap([], "return linear(x)") == 0.0


QKV = "q, k, v = split_heads(linear(x)), split_heads(linear(x)), split_heads(linear(x))\n"
QKV_EQUATION = "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, each per head"


def failure(sketch, *equations, **fields):
    found = from_sketch(sketch, card(*equations, **fields), "sketch", Provenance.OWN).failure
    return None if found is None else f"{found.check}: {found.message}"


@pytest.mark.parametrize(
    ("sketch", "equations", "omission"),
    [
        (
            QKV + "g = sigmoid(linear(x, heads))\nreturn linear(matrix_scan(q, k, v, g))",
            [QKV_EQUATION, "S_t = g_h S_(t-1) + k_t v_t^T, with g_h = 1 - 2^(-5-h)", "y_t = W_o (q_t S_t)"],
            "the decay of S does not depend on x in the card",
        ),
        (
            QKV + "return linear(matrix_scan(q, k, v, sigmoid(param_per_head())))",
            [QKV_EQUATION, "a_t = sigmoid(w_a x_t)", "S_t = a_t S_(t-1) + k_t v_t^T", "y_t = W_o (q_t S_t)"],
            "the decay of S depends on x in the card",
        ),
        (
            QKV + "return linear(matrix_scan(q, k, v, 0.9))",
            [QKV_EQUATION, "S_t = S_(t-1) + k_t v_t^T", "y_t = W_o (q_t S_t)"],
            "the state S of the card does not decay",
        ),
        (
            "h = recur(sigmoid(param()), linear(x))\nreturn linear(h)",
            ["z_t = sigmoid(W_z x_t)", "h_t = (1 - z_t) * h_(t-1) + z_t * W_c x_t", "y_t = W_o h_t"],
            "the decay of h depends on x",
        ),
        (
            "u = sigmoid(linear(x))\ng = linear(x)\nreturn linear(g * u)",
            ["u_t = W_u x_t", "g_t = sigmoid(W_g x_t)", "y_t = W_o (g_t * u_t)"],
            "the code's g goes through no sigmoid",
        ),
        (
            "u = tanh(linear(x))\ng = sigmoid(linear(x))\nreturn linear(g * u)",
            ["u_t = W_u x_t", "g_t = sigmoid(W_g x_t)", "y_t = W_o (g_t * u_t)"],
            "the code applies tanh",
        ),
        (
            "u = linear(x)\nreturn linear(u * sigmoid(u))",
            ["y_t = W_o (W_u x_t * sigmoid(W_g x_t))"],
            "the card learns W_g, W_o, W_u: 3 maps and vectors, the code learns 2",
        ),
    ],
)
def test_what_is_made_otherwise_is_named(sketch, equations, omission):
    said = failure(sketch, *equations)
    assert said is not None
    assert omission in said


@pytest.mark.parametrize(
    ("sketch", "equations"),
    [
        (
            QKV + "return linear(matrix_scan(q, k, v, 1 - 2 ** (-5 - head_index())))",
            [QKV_EQUATION, "S_t = g_h S_(t-1) + k_t v_t^T, with g_h = 1 - 2^(-5-h)", "y_t = W_o (q_t S_t)"],
        ),
        (
            "a, b = chunk(linear(x, 2 * d_model), 2)\nreturn linear(a * sigmoid(b))",
            ["y_t = W_o (W_u x_t * sigmoid(W_g x_t))"],
        ),
        (
            "a = linear(x)\nreturn linear(silu(a) * linear(x))",
            ["y_t = W_o (a_t * sigmoid(a_t) * W_v x_t), a_t = W_a x_t"],
        ),
        ("h = tanh(linear(x))\nreturn linear(h)", ["h_t = the strongest of W x_t", "y_t = W_o h_t"]),
    ],
)
def test_what_comes_to_the_same_is_let_pass(sketch, equations):
    assert failure(sketch, *equations) is None


@pytest.mark.parametrize("example", built_in_examples(), ids=lambda example: example.card.name)
def test_an_example_is_what_its_card_says(example):
    assert from_sketch(example.sketch, example.card, "sketch", Provenance.OWN).failure is None


@pytest.mark.parametrize("graded", read_cards("*"), ids=lambda graded: graded.card.name)
def test_a_reference_is_what_its_card_says(graded):
    source = (CARDS.parent / "references" / f"{graded.card.name}.py").read_text(encoding="utf-8")
    assert unfaithful(source, graded.card) is None


@pytest.mark.parametrize("graded", read_cards("*"), ids=lambda graded: graded.card.name)
def test_what_is_read_by_rule_is_what_its_card_says(graded):
    found = from_equations(graded.card, Provenance.OWN)
    is_read = found is not None and found.failure is None
    assert found is None or is_read or found.failure.check == "sketch"
    assert is_read != (graded.card.name in {"looped_block", "multi_dim_ema", "product_key_memory"})
