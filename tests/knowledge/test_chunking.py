"""From documents to passages."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from knowledge.chunking import MOST_WORDS, passages, sentences
from knowledge.papers import Block, Document, Section
from knowledge.reading import read_pdf


def document(*sections: Section) -> Document:
    return Document("A Layer", sections, (), 3)


def words(name: str, count: int) -> str:
    return " ".join(f"Sentence {index} of {name} says that layers mix tokens along time." for index in range(count))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One ends. Two begins! Three? Yes.", ["One ends.", "Two begins!", "Three?", "Yes."]),
        ("Sun et al. Show it, e.g. In Fig. 3 and Eq. 4.", ["Sun et al. Show it, e.g. In Fig. 3 and Eq. 4."]),
        ("It has 3.5 units. By A. Turing.", ["It has 3.5 units.", "By A. Turing."]),
        ('He said "stop." Then (at last.) She went.', ['He said "stop."', "Then (at last.)", "She went."]),
        ("No end", ["No end"]),
        ("", []),
    ],
)
def test_sentences(text: str, cut: list[str]) -> None:
    assert sentences(text) == cut


def test_passages_end_at_sentence_ends_and_overlap() -> None:
    found = passages(document(Section("Method", "2", 1, (Block(words("method", 60), 1),))), "2307.08621")
    assert len(found) >= 3
    for passage in found:
        assert passage.text.startswith("Sentence ")
        assert passage.text.endswith(" along time.")
        assert len(passage.text.split()) <= MOST_WORDS
        assert (passage.section, passage.kind) == ("2 Method", "text")
    for before, after in pairwise(found):
        assert len(before.text.split()) >= 150
        assert before.text.endswith(sentences(after.text)[0]) or sentences(after.text)[1] in before.text
    assert [passage.id for passage in found] == [f"2307.08621#{number}" for number in range(len(found))]


def test_no_sentence_is_lost() -> None:
    text = words("method", 60)
    found = passages(document(Section("Method", "2", 1, (Block(text, 1),))), "x")
    assert {sentence for passage in found for sentence in sentences(passage.text)} == set(sentences(text))


def test_no_passage_crosses_sections() -> None:
    found = passages(
        document(Section("One", "1", 1, (Block("Short one.", 1),)), Section("Two", "2", 2, (Block("Short two.", 2),))),
        "x",
    )
    assert [(passage.section, passage.page, passage.text) for passage in found] == [
        ("1 One", 1, "Short one."),
        ("2 Two", 2, "Short two."),
    ]


def test_an_equation_stays_with_the_sentences_around_it() -> None:
    blocks = (
        Block(words("before", 13) + " It reads as follows:", 1),
        Block("o = V (1)", 1, "equation"),
        Block("Here V is a value. " + words("after", 13), 1),
    )
    found = passages(document(Section("Method", "2", 1, blocks)), "x")
    holders = [passage for passage in found if "o = V (1)" in passage.text]
    assert holders
    for passage in holders:
        assert "It reads as follows:\no = V (1)\nHere V is a value." in passage.text


def test_captions_and_tables_stand_alone() -> None:
    blocks = (
        Block("The text goes", 1),
        Block("Figure 1: A layer.", 1, "caption"),
        Block("Model | Loss\nOurs | 3.21", 1, "table"),
        Block("on after the figure.", 1),
    )
    found = passages(document(Section("Method", "2", 1, blocks)), "x")
    assert [(passage.kind, passage.text) for passage in found] == [
        ("text", "The text goes on after the figure."),
        ("caption", "Figure 1: A layer."),
        ("table", "Model | Loss\nOurs | 3.21"),
    ]


def test_a_sentence_over_two_pages_belongs_to_the_page_where_it_begins() -> None:
    blocks = (
        Block(words("first", 14) + " The last sentence of this page", 1),
        Block("ends on the next. " + words("second", 14), 2),
    )
    found = passages(document(Section("Method", "2", 1, blocks)), "x")
    assert any("The last sentence of this page ends on the next." in passage.text for passage in found)
    for passage in found:
        assert passage.page == (
            1 if "of first" in sentences(passage.text)[0] or "last sentence" in passage.text[:18] else 2
        )


def test_text_without_ends_is_cut_anyway() -> None:
    found = passages(document(Section("", "", 1, (Block("word " * 1000, 1),))), "x")
    assert all(len(passage.text.split()) <= MOST_WORDS for passage in found)
    assert sum(len(passage.text.split()) for passage in found) == 1000


def test_a_long_table_is_cut_between_rows() -> None:
    rows = [f"Model {index} | {index} | 3.21" for index in range(120)]
    found = passages(document(Section("Results", "4", 5, (Block("\n".join(rows), 5, "table"),))), "x")
    assert len(found) > 1
    assert "\n".join(passage.text for passage in found).split("\n") == rows


def test_the_same_pdf_gives_the_same_passages(pdfs: Any, tmp_path: Path) -> None:
    path = pdfs.two_columns(tmp_path / "paper.pdf")
    first, second = (passages(read_pdf(path), "2401.01234") for _ in range(2))
    assert first == second
    assert [passage.number for passage in first] == list(range(len(first)))
    assert any(passage.section == "2.1 Retention" and "o = (Q K * D) V + b (1)" in passage.text for passage in first)
    assert not any("In Testing, 2023." in passage.text for passage in first)
