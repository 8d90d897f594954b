"""Sketches: what shapes come together, what is said where they do not, and that no text does harm."""

from __future__ import annotations

import ast
import contextlib
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neuramosaic.codegen.inlining import inline_blocks
from neuramosaic.codegen.sketch import SketchError, compile_sketch, vocabulary
from neuramosaic.codegen.sketch.arithmetic import evaluate
from neuramosaic.codegen.sketch.values import Size, same_size
from neuramosaic.codegen.sketch.vocabulary import FUNCTIONS, OTHER_NAMES, is_known
from neuramosaic.components.card import Card
from neuramosaic.errors import CodegenError

MIXER = """
name: mixed
slot: mixer
summary: Mixes
hyperparameters:
  - {name: heads, kind: categorical, domain: [1, 2, 4], default: 2}
  - {name: window, kind: categorical, domain: [8, 16], default: 8}
"""
CARD = Card.from_yaml(MIXER)
PLAIN = Card.from_yaml("{name: mapped, slot: channel, summary: Maps}")
QKV = "q, k, v = split_heads(linear(x)), split_heads(linear(x)), split_heads(linear(x))\n"


def compiled(sketch: str, card: Card = CARD) -> str:
    source = compile_sketch(sketch, card)
    ast.parse(inline_blocks(source))
    return source


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_a_sketch_becomes_a_class() -> None:
    assert compiled("g = silu(linear(x, 2 * d_model))\nreturn linear(g)", PLAIN) == (
        "class Mapped(nn.Module):\n"
        '    """Maps."""\n'
        "\n"
        "    def __init__(self, d_model):\n"
        "        super().__init__()\n"
        "        self.g = nn.Linear(d_model, 2 * d_model, bias=False)\n"
        "        self.out = nn.Linear(2 * d_model, d_model, bias=False)\n"
        "\n"
        "    def forward(self, x):\n"
        "        g = F.silu(self.g(x))\n"
        "        return self.out(g)\n"
    )


def test_a_sequence_of_a_number_per_head_meets_heads() -> None:
    source = compiled("v = split_heads(linear(x))\ng = sigmoid(linear(x, heads))\nreturn linear(g * v)")
    assert "split_heads(g, self.heads) * v" in source


def test_a_number_per_channel_is_split_to_meet_heads() -> None:
    source = compiled("v = split_heads(linear(x))\nreturn linear(param() * v)")
    assert ".view(self.heads, 1, -1) * v" in source


def test_scores_take_a_number_per_head_and_per_query() -> None:
    for factor in ("param_per_head()", "param()", "positions()", "linear(x, heads)"):
        compiled(QKV + f"return linear(causal_softmax(scores(q, k) * {factor}) @ v)")
    with pytest.raises(SketchError, match="does not divide into heads"):
        compiled(QKV + "return linear((scores(q, k) * linear(x, d_model)) @ v)")


def test_an_open_size_takes_that_of_what_it_meets() -> None:
    source = compiled("a = linear(x, 3 * d_model)\nb = linear(x)\nreturn linear(a * b)", PLAIN)
    assert "self.b = nn.Linear(d_model, 3 * d_model, bias=False)" in source


def test_sizes_that_nothing_settles_are_d_model() -> None:
    assert "self.b = nn.Linear(d_model, d_model, bias=False)" in compiled("b = linear(x)\nreturn relu(b)", PLAIN)


def test_chunk_halves_a_size() -> None:
    source = compiled("a, b = chunk(linear(x, 4 * d_model), 2)\nc = linear(x)\nreturn linear(a * b * c)", PLAIN)
    assert "self.c = nn.Linear(d_model, 4 * d_model // 2, bias=False)" in source
    assert ".chunk(2, dim=-1)" in source


def test_concatenated_channels_are_mapped_back() -> None:
    source = compiled("return linear(concat(linear(x), linear(x, 2 * d_model)))", PLAIN)
    assert "nn.Linear(d_model + 2 * d_model, d_model, bias=False)" in source


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2 * d_model", "d_model * 2", True),
        ("heads * head_dim", "inner", True),
        ("max(1, d_model // window)", "max(d_model // window, 1)", True),
        ("d_model / 2", "d_model // 2", True),
        ("d_model + window", "d_model * window", False),
        ("window", "widnow", False),
    ],
)
def test_sizes_are_the_same_if_they_mean_the_same(one: str, other: str, same: bool) -> None:
    assert same_size(Size(one), Size(other)) is same


def test_a_decay_is_a_number_per_head_or_of_the_keys() -> None:
    for decay in ("0.9", "1 - 1 / window", "sigmoid(param_number())", "sigmoid(param_per_head())",
                  "sigmoid(linear(x, heads))", "sigmoid(linear(x))", "None"):  # fmt: skip
        compiled(QKV + f"return linear(matrix_scan(q, k, v, {decay}))")
    with pytest.raises(SketchError, match="the decay of matrix_scan is scores"):
        compiled(QKV + "return linear(matrix_scan(q, k, v, scores(q, k)))")


def test_a_dot_product_has_one_channel() -> None:
    assert "torch.sum(q * k, dim=-1, keepdim=True) * v" in compiled(QKV + "return linear(dot(q, k) * v)")
    assert "keepdim" not in compiled("return x * dot(param(), param())")


def test_scores_are_summed_over_the_past_alone() -> None:
    source = compiled(QKV + "w = exp(scores(q, k))\nreturn linear((causal(w) @ v) / sum(w))")
    assert "torch.sum(w.tril(), dim=-1, keepdim=True)" in source


def test_a_function_of_a_number_makes_a_tensor_of_it() -> None:
    assert "torch.sqrt(torch.as_tensor(self.window, dtype=x.dtype))" in compiled("return x / sqrt(window)")
    assert "max(1, self.window)" in compiled("return shift(x, max(1, window))")


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sketch", "message"),
    [
        ("return sigmod(x)", r"`return sigmod\(x\)`: there is no function sigmod; did you mean sigmoid\?"),
        ("y = linear(x)\ny = y + w", r"`y = y \+ w`: w is not known; known are x, y"),
        ("return linear(x, 2 * d_model) + linear(x, 3 * d_model)", "they do not fit; give the one that linear"),
        ("for t in x:\n    y = t", "no loops, no conditions"),
        ("y = linear(x", "`y = linear.x` is no Python"),
        ("a, b = linear(x)\nreturn a", r"a, b = chunk\(z, 2\)"),
        ("return causal_softmax(x)", r"causal_softmax takes scores \(B, H, T, T\), x is a sequence"),
        ("return linear()", "z is missing"),
        ("return scores(linear(x), linear(x))", "the output is scores"),
        ("return linear(x, 0)", "a size of 0 makes no sense: write, say, 2"),
        ("return shift(x, -1)", "the steps of shift takes a whole number from 0 on"),
        ("return causal_conv(x, 2.5)", "the taps of causal_conv takes a whole number from 1 on"),
        (QKV + "return linear(scores(q, split_heads(linear(x, 2 * inner))) @ v)", "make them the same size"),
        ("return where(1, x, x)", "takes a comparison such as z > 0"),
        ("return x + None", "None is no number"),
    ],
)
def test_an_error_names_the_line_and_what_to_write(sketch: str, message: str) -> None:
    with pytest.raises(SketchError, match=message):
        compiled(sketch)


# -- hostile text ------------------------------------------------------------------------------------------------------

HOSTILE = [
    "import os", "from os import system", "__import__('os')", "return x.__class__", "return x.data",
    "return (lambda z: z)(x)", "return [z for z in x]", "return {1: x}", "return 'text'", "return f'{x}'",
    "return x[0]", "return eval(x)", "return exec('1')", "return open('a')", "return getattr(x, 'a')",
    "return (y := x)", "def f():\n    return 1\n\nclass A: pass", "while True: pass", "del x", "global x",
    "return print(x)", "x.y = 1", "return linear(x, __import__('os').getpid())", "return linear(x, [d_model])",
    "return linear(x, 'a')", "return linear(x, 2 if d_model else 3)", "return linear(x, d_model.bit_length())",
]  # fmt: skip


@pytest.mark.parametrize("sketch", HOSTILE)
def test_what_is_no_sketch_is_refused(sketch: str) -> None:
    with pytest.raises(SketchError):
        compiled(sketch)


@pytest.mark.parametrize(
    "size",
    ["9**9**9", "d_model * 10**9", "10**10**10", "window**window**window", "2**63", "1e300 * 1e300", "1e999",
     "0xfffffffffffffffffffffffffffffff", "d_model // 0", "(-8)**0.5", "int(1e18)", "-d_model * -10**9", "0 ** -1",
     "max(9**9**9, 1)", "+".join(["d_model"] * 200), "d_model" + " * window" * 30],
)  # fmt: skip
@pytest.mark.parametrize("sketch", ["linear(x, {})", "param({}) * x", "concat(x, linear(x, {}))"])
def test_absurd_sizes_are_refused_at_once(sketch: str, size: str) -> None:
    started = time.process_time()
    with pytest.raises(SketchError):
        compiled("return " + sketch.format(size))
    assert time.process_time() - started < 1


@pytest.mark.parametrize("number", ["9**9**9", "1e999", "-9e99", "10**13"])
def test_absurd_numbers_are_refused(number: str) -> None:
    for call in ("causal_conv(x, {})", "shift(x, {})", "linear(group_max(x, {}))", "running_mean(x, {})"):
        with pytest.raises(SketchError):
            compiled("return " + call.format(number))


def test_doubling_a_size_line_by_line_ends() -> None:
    with pytest.raises(SketchError, match="size"):
        compiled("a = linear(x)\n" + "a = concat(a, a)\n" * 40 + "return a")


WORDS = [
    *FUNCTIONS, *OTHER_NAMES, "x", "y", "z", "d_model", "heads", "window", "W_q", "w_a", "h_t", "h_(t-1)", "sum_(s<=t)",
]  # fmt: skip
SIGNS = ["(", ")", ",", "=", "+", "-", "*", "/", "**", "@", "\n", "return ", " ", ".", ":", "[", "]", "|", "^T", "_t",
         "1", "2", "0.5", "10**9", "\\", "{", "}", "'", "lambda ", "if ", "\N{GREEK SMALL LETTER SIGMA}",
         "\N{N-ARY SUMMATION}", "\t", "#", ";"]  # fmt: skip
TEXT = st.lists(st.sampled_from(WORDS + SIGNS), max_size=40).map("".join) | st.text(max_size=80)
LINE = st.builds(
    lambda name, function, arguments: f"{name} = {function}({', '.join(arguments)})",
    st.sampled_from("abc"),
    st.sampled_from(sorted(FUNCTIONS)),
    st.lists(
        st.sampled_from(["a", "b", "x", "linear(x)", "linear(x, heads)", "2", "window", "split_heads(a)"]), max_size=5
    ),
)
SKETCHY = st.lists(LINE, max_size=6).map(lambda lines: "\n".join(["a = x", "b = x", *lines, "return a"]))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(TEXT | SKETCHY)
def test_no_text_raises_anything_else(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(CodegenError):
        compiled(f"{text}\nreturn x")
    assert time.process_time() - started < 2


# -- the parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 + 2 * a", 7), ("a // 2", 1), ("a ** 2", 9), ("-a", -3), ("max(a, 5)", 5), ("int(a / 2)", 1),
     ("math.sqrt(4)", 2), ("min(a, 1) + sqrt(9)", 4)],
)  # fmt: skip
def test_arithmetic(text: str, value: float) -> None:
    assert evaluate(ast.parse(text, mode="eval").body, {"a": 3}) == value


@pytest.mark.parametrize(
    "text", ["b", "a.b", "a[0]", "a()", "'a'", "True", "a if a else a", "max(a, key=a)", "1 << 99", "int()"]
)
def test_what_is_no_arithmetic_has_no_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        evaluate(ast.parse(text, mode="eval").body, {"a": 3})


def test_other_names_lead_to_functions() -> None:
    built_in = {"power"}
    assert {name for name in OTHER_NAMES.values() if name not in FUNCTIONS} == built_in
    assert all(is_known(name) for name in (*FUNCTIONS, *OTHER_NAMES, "block"))
    assert not is_known("eval")


def test_the_documentation_has_the_whole_vocabulary(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs" / "sketches.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE))
    rows = {signature: summary.replace("\\|", "|") for signature, summary in rows.items()}
    assert rows == dict(line.split(": ", 1) for line in vocabulary())
    unshown = [name for name, function in FUNCTIONS.items() if not function.summary]
    assert all(f"`{name}`" in text for name in unshown)


def test_the_documented_example_becomes_the_documented_class(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs" / "sketches.md").read_text(encoding="utf-8")
    card = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    sketch, source = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert card is not None
    assert compiled(sketch, Card.from_yaml(card[1])) == source


def test_the_vocabulary_is_shown_as_it_is_called() -> None:
    for line in vocabulary():
        ast.parse(line.split(": ", 1)[0], mode="eval")
