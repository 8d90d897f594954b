"""Equations of cards, read by rule: what is compiled computes what they say, and what cannot be read is refused."""

from __future__ import annotations

import contextlib
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neuramosaic.codegen.inlining import inline_blocks
from neuramosaic.codegen.sketch import compile_sketch
from neuramosaic.codegen.sketch.equations import NotReadError, read_equations
from neuramosaic.components.card import Card
from neuramosaic.errors import CodegenError
from tests.codegen.equation_cards import CASES, Case

WIDTH, LENGTH = 8, 7


def card(*equations: str, slot: str = "mixer", summary: str = "One", **hyperparameters: float) -> Card:
    made = [
        {"name": name, "kind": "integer", "domain": [1, 16], "default": value}
        if isinstance(value, int)
        else {"name": name, "kind": "categorical", "domain": [value, 2 * value], "default": value}
        for name, value in hyperparameters.items()
    ]
    data = {"name": "one", "slot": slot, "summary": summary, "equations": list(equations), "hyperparameters": made}
    return Card.from_mapping(data)


def built(case: Case) -> nn.Module:
    """Return the component that a card's equations make, its parameters at random."""
    made = card(*case.equations, slot=case.slot, **case.hyperparameters)
    source = compile_sketch("\n".join(read_equations(made)), made, exact=True)
    namespace: dict[str, object] = {"__name__": "made"}
    exec(inline_blocks(source), namespace)
    torch.manual_seed(1)
    block = [nn.Linear(WIDTH, WIDTH, bias=False)] if case.slot == "modulator" else []
    component = namespace["One"](WIDTH, *block)  # type: ignore[operator]
    with torch.no_grad():
        for parameter in component.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.6 if parameter.dim() < 2 else parameter.shape[-1] ** -0.5))
    return component


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_read_computes_what_the_equations_say(case: Case) -> None:
    component = built(case)
    parameters = {name.removesuffix(".weight"): value for name, value in component.named_parameters()}
    x = torch.randn(2, LENGTH, WIDTH)
    with torch.no_grad():
        torch.testing.assert_close(component(x), case.reference(x, parameters), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("equations", "why"),
    [
        (["h_t = tanh(W h_{t-1} + U x_t)", "y_t = W_o h_t"], "not linear in the state before"),
        (["h_t = A h_{t-1} + B x_t", "y_t = C h_t"], "multiplied by a matrix"),
        (["y_t = W_o phi(W x_t)"], "a function that is not said"),
        (["y_t = W_o gate(W x_t)"], "no vector"),
        (["y_t = the k greatest of W x_t"], "."),
        (["y_t = h_t, sampled at random", "h_t = W x_t"], "sampled"),
        (["z_k = f(z_{k-1}), repeated until it stops", "y_t = z_t"], "repeated|until"),
        ([r"y_t = \sum_{e \in E} W_e x_t"], "a sum over a set"),
        ([r"y_t = \sum_{e=1}^{E} W_e x_t"], "."),
        (["y_t = W_o x_{t+1}"], "not been seen yet"),
        (["y_t = W_o sum_(s<t) x_s"], "without the present"),
        (["q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t", "y_t = q_t . k_t v_t"], "a dot before several vectors"),
        (["y_t = a_t * x_t", "a_t = y_t + 1"], "circle|by itself"),
        (["S_t = S_{t-1} + k_t v_t^T", "k_t, v_t, q_t = W_k x_t, W_v x_t, W_q x_t", "y_t = q_t S_{t-1}"],
        "before it is wr"),
        (
            ["k_t, v_t, q_t = W_k x_t, W_v x_t, W_q x_t", "b_t = sigmoid(w_b x_t)",
             "S_t = (I - b_t k_t k_t^T) S_{t-1} + b_t k_t v_t^T", "y_t = q_t S_t"],
            "not of length 1",
        ),
        (["h_t = 0.9 * h_{t-1} + x_t", "h_0 = W_s", "y_t = h_t"], "does not begin at zero"),
        (["u_t = W x_t, with a learned vector a_d in R^n", "y_t = a_d * u_t"], "size"),
        (["y_t = W_o h_t gate h", "h_t = W x_t"], "."),
        (["y_t = log_2(W x_t)"], "with an index"),
        (["y_t = |x_t|^2 * x_t"], "a power of"),
        ([r"y_t = \sqrt[3]{x_t}"], "root"),
        (["y_t = W_o (W_q x_t + sum_(s<=t) v_s / n_t)", "v_t = W_v x_t", "n_t = |v_t|_q"], "."),
        (["y_t = " + "(" * 60 + "x_t" + ")" * 60], "nested"),
        (["y_t = W x_t", "an equation of more than a thousand signs: z = " + "x + " * 300], "characters"),
        (["y_t = W_o (a_t / (1 + |a_t|)), a_t = W x_t"], "its length or that of each element"),
        (["y_t = W x_t + d x_t"], "a size or learned"),
        (["y_t = W_o softmax(q_t K_t^T) V_t", "q_t = W_q x_t"], "at a position, which no equation defines"),
        ([r"y_t = A \odot x_t"], "element by element with what looks like a matrix"),
        (["h_t = silu(W_g x_t), h_t in R^n", "y_t = W_d h_t"], "of a size that nothing says"),
        (["the output is a weighted mean of the values"], "no equation"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_without_guessing_is_refused(equations: list[str], why: str) -> None:
    with pytest.raises(NotReadError, match=why):
        read_equations(card(*equations))


def test_one_map_of_one_name_is_one() -> None:
    lines = read_equations(card("y_t = W (W x_t) + W x_t"))
    assert lines == ["return W(W(x)) + W(x)"]


def test_a_definition_may_stand_behind_its_use_and_be_given_twice() -> None:
    lines = read_equations(card("y_t = W_o k_t", "k_t = W_k x_t", "k_t = k_t / |k_t|"))
    assert lines == ["k_1 = W_k(x)", "k = normalize(k_1)", "return W_o(k)"]


def test_a_learned_scale_behind_a_norm_is_not_left_out() -> None:
    lines = read_equations(card("h_t = rms_norm(W x_t), with a learned scale", "y_t = W_o h_t"))
    assert lines == ["h = param(init=1.0) * rms_norm(W(x))", "return W_o(h)"]


def test_a_card_without_heads_has_one() -> None:
    equations = ["q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t", "y_t = W_o sum_(s<=t) softmax_s(q_t . k_s / sqrt(d)) v_s"]
    assert read_equations(card(*equations))[0] == "heads = 1"
    assert read_equations(card(*equations, heads=4))[0] != "heads = 1"


def test_sizes_and_kinds_are_those_that_the_words_say() -> None:
    lines = read_equations(card("h = silu(W_g x) * (W_u x), h in R^{4D}", "y = W_d h", slot="channel"))
    assert lines[0] == "h = silu(W_g(x, 4 * d_model)) * W_u(x, 4 * d_model)"
    lines = read_equations(card("y_t = beta x_t, where beta in (0, 1) is a learned scalar"))
    assert lines[0] == "beta = param_number(0.0)"


def test_a_transposed_map_goes_the_other_way() -> None:
    lines = read_equations(card("y_t = x_t + U V^T x_t, with U, V of D x rank", slot="channel", rank=4))
    assert lines == ["return x + U(V(x, rank), d_model)"]


def test_another_form_of_the_same_is_passed_over() -> None:
    lines = read_equations(card("y_t = W_o sum_(i<3) w_i * x_(t-i)", "equivalently y = k * u, by FFT"))
    assert lines == ["return W_o(causal_conv(x, 3))"]


_PIECES = st.sampled_from(
    "x_t y_t h_(t-1) S_t S_(t-1) k_t v_t^T q_t = + - * / ( ) [ ] { } , ; . | || ' ^ _ ** sum_s sum_(s<=t) "
    "sum_(i<K) w_i "
    "x_(t-i) softmax_s cos( W_o W max_( phi(z) I (I log where with elsewhere over softmax 1/t 007 1e9 "
    "\\frac \\lambda _ts "
    "\\begin{cases} \\end{cases} \\\\ & \\sqrt \\hat{ \\top N(0, "
    "learned number of D elements in R^ \u03b1 \u00b2 \u2211 \u1d40".split()
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(_PIECES, min_size=1, max_size=24).map(" ".join), min_size=1, max_size=4))
def test_nonsense_raises_nothing_but_its_error(equations: list[str]) -> None:
    made = card(*equations, "y_t = x_t")
    try:
        lines = read_equations(made)
    except NotReadError:
        return
    with contextlib.suppress(CodegenError):
        compile_sketch("\n".join(lines), made, exact=True)


@pytest.mark.parametrize(
    "piece",
    [
        " ", "(", "(a ", "[", "|a", "a / |", "x_t ", "sum_s ", "softmax over ", "W ", "-", "'", "_{", "learned number ",
        "W maps ", "with D ", "D / ", "a = 1, ", "a, ", "a_t, ", "a and ", "a in R^", "a, b in R^{",
        "learned vector a, ",
        "y_t = h_(t-1) + ", "cos(", "(W x)_(t", "where ", "q . k", "\\frac{", "a_{", "a_b", "a_b_", "ab", "a^{(",
        "[a; ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("length", [990, 4000])
def test_long_nonsense_ends(piece: str, length: int) -> None:
    started = time.process_time()
    with contextlib.suppress(NotReadError):
        read_equations(card(("y_t = " + piece * length)[:length], "y_t = x_t"))
    assert time.process_time() - started < 5
