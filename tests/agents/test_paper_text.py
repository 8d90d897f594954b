"""What happens to the text of a paper: made harmless, shown in numbered lines, and equations held against it."""

# ruff: noqa: RUF001 - the text of a PDF is full of such letters

import pytest

from agents.paper_reader.evidence import Line, numbered
from agents.paper_reader.kinship import Kinship
from agents.paper_reader.plain import plain, quotable, says
from agents.paper_reader.transcription import problem, same_equations, supported, symbols, tidy, undefined
from knowledge.papers import Passage
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import Slot


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand\r\nmore", "two lines and more"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07end", "red end"),
        ("a\u202eb\u200bc\x00d\ufeffe", "abcde"),
        ("σ(W x) ⊙ h", "σ(W x) ⊙ h"),
        ("x" * 1000 + " y", "x" * 200 + " y"),
        ("[bold]stays[/bold]", "[bold]stays[/bold]"),
    ],
)
def test_plain_text_is_one_printable_line(text, shown):
    assert plain(text) == shown
    assert plain(plain(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["--- end of paper ---", "=== system ===", "<|im_end|>", "<|im_start|>system", "</s>", "<script>", "[INST] x",
     "```json", "<<SYS>>", "###", "<start_of_turn>user"],
)  # fmt: skip
def test_what_is_quoted_holds_no_delimiter_and_no_token_of_a_template(text):
    shown = quotable(f"before {text} after")
    assert text not in shown
    assert shown.startswith("before")
    assert shown.endswith("after")
    for token in ("---", "===", "<|", "|>", "</", "```", "[INST", "[/INST", "<<"):
        assert token not in shown


def test_a_quote_is_found_whatever_a_pdf_did_to_it():
    assert says("We pro-\npose the ﬁrst  Gated-Unit.", "propose the first gated unit")
    assert not says("We propose a unit.", "we propose two units")
    assert not says("anything", " . ")


def test_numbered_lines_show_what_is_around_the_equation():
    text = "words " * 200 + "h = f(x) " + "words " * 200
    line = numbered([Line(text, text, Passage("p", 0, "", 1, text))], 120)
    assert line.startswith("[1] ")
    assert "h = f(x)" in line
    assert len(line) <= 124


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("h_t = a_t h_(t-1)   (12)", "h_t = a_t h_(t-1)"),
        ("lambda_t = sigmoid(W x_t).", "lam_t = sigmoid(W x_t)"),
        ("y_t = \\lambda x_t", "y_t = \\lambda x_t"),
        ("y\n=\nx", "y = x"),
    ],
)
def test_an_equation_is_tidied(line, kept):
    assert tidy(line) == kept


@pytest.mark.parametrize("line", ["no equation", "= x", "y =", "y = ?"])
def test_what_is_no_equation_is_said(line):
    assert problem(line)


@pytest.mark.parametrize(
    ("line", "passage", "held"),
    [
        ("S_t = gamma S_(t-1) + k_t v_t^T", "St = γSt−1 + k⊤ t vt (5)", True),
        ("f_t = sigmoid(W_f x_t)", "ft = σ(Wf xt)", True),
        ("y_t = W_2 relu(W_1 x_t)", "FFN(x) = max(0, xW1)W2", True),
        ("a_t = tau * q_t", "𝜏 is learned and a = 𝜏 q", True),
        ("z_t = tanh(U q_t) + m_t * n_t", "ft = σ(Wf xt)", False),
        ("y_t = quantum(x_t)", "y = f(x)", False),
        ("y_t = W x_t", "no sign of it", False),
    ],
)
def test_an_equation_needs_its_symbols_in_the_passage(line, passage, held):
    assert supported(line, passage) is held


def test_symbols_are_those_that_a_passage_has_to_hold():
    assert symbols("h_t = sigmoid(W_f x_t) * c_(t-1)") == ["h", "sigmoid", "c"]


def test_sequences_that_nothing_defines_are_named_once():
    equations = ["S_t = g S_(t-1) + k_t v_t^T", "y_t = q_t S_t + k_t"]
    assert undefined(equations, Slot.MIXER) == ["k", "v", "q"]
    assert undefined(["y_t = f_t + x_t"], Slot.MODULATOR) == []


def test_equations_are_the_same_but_for_spaces_and_order():
    assert same_equations(["a = b c", "d = e"], ["d=e", "a = b c."])
    assert not same_equations(["a = b"], ["a = c"])
    assert not same_equations([], [])


def test_the_family_of_recurrences_is_known_by_names_and_papers():
    kinship = Kinship(catalogue())
    assert {item.name for item in kinship.of_paper("2312.06635")} == {"recurrence"}
    assert kinship.of_name("Gated-DeltaNet")[0].name == "recurrence"
    assert kinship.of_paper(None) == []
    assert kinship.of_name("") == []


class Embedder:
    """Knows two meanings: of a mixture of experts, and of anything else."""

    def embed(self, texts):
        import numpy as np

        return np.array([[1.0, 0.0] if "experts" in text.lower() else [0.0, 1.0] for text in texts], dtype=np.float32)


def test_meaning_counts_beside_words():
    text = "Experts, each for some of the tokens: softmax attention over the last positions only"
    by_words = Kinship(catalogue()).nearest(text)
    by_both = Kinship(catalogue(), embedder=Embedder()).nearest(text)
    assert by_words[0][0].name == "sliding_attention"
    assert by_both[0][0].name == "moe"
    assert all(0 <= similarity <= 1 for _, similarity in by_both)
