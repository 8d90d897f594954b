"""Whether code is what its card says, and which functions a card speaks of."""

import re

import pytest

from agents.writer.faithful import unfaithful
from agents.writer.hints import overlap, suggest
from neuramosaic.components.card import Card

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
