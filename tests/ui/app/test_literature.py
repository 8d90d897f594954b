from __future__ import annotations

import time
from pathlib import Path

import pymupdf
import pytest

from knowledge.embedding import HashingEmbedder
from knowledge.ideas import ideas
from knowledge.papers import Paper, Passage
from neuramosaic.components.card import Card
from neuramosaic.errors import UsageError
from neuramosaic.store.writings import Writings
from tests.ui.app.conftest import View, said
from ui.ingest_runs import ingest_runs, keep_upload, start_ingest
from ui.reader import Reader
from ui.views.literature import BRIEFS, CHAIN, IDEAS, INGEST, PAPERS

STUDY = "text-1"
HOSTILE = "<script>alert(1)</script> **bold** $x$ :red[no]"


@pytest.fixture
def paper(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Paper:
    """A paper of the workspace, whose text would like to be rendered."""
    monkeypatch.setattr("graph.bookshelf.LocalEmbedder", HashingEmbedder)
    monkeypatch.setattr("ui.views.literature.embedder_problem", lambda: None)
    paper = Paper("2301.00001", f"A gate {HOSTILE}", ("A. Author",), "About gates.", "2301.00001", pages=2, sha256="00")
    passages = [
        Passage(paper.id, 0, "1 Layer", 1, f"The tanh gate of another kind {HOSTILE}"),
        Passage(paper.id, 1, "2 Results", 2, "It forgets less."),
    ]
    reader.library().add(paper, passages)
    return paper


def test_passages_are_found_with_paper_section_page_and_score(view: View, reader: Reader, paper: Paper) -> None:
    app = view("literature", reader)
    assert f"1 papers of this workspace and {len(ideas())} built-in ideas" in said(app)
    app.text_input[0].set_value("tanh gate of another kind").run()
    assert not app.exception
    assert f"The tanh gate of another kind {HOSTILE}" in [text.value for text in app.text]
    assert f"{paper.id}, 1 Layer, page 1; score 0." in said(app)
    assert not any("<script>" in element.value for element in (*app.markdown, *app.caption))


def test_a_paper_is_shown_with_its_passages(view: View, reader: Reader, paper: Paper) -> None:
    app = view("literature", reader, literature_part=PAPERS)
    assert not app.exception
    assert list(app.dataframe[0].value["passages"]) == [2]
    assert "About gates." in said(app)
    app.selectbox(key="paper section").set_value("2 Results").run()
    assert "It forgets less." in said(app)
    assert "of another kind" not in said(app)


def test_ideas_are_browsed_without_a_workspace(view: View, empty_reader: Reader) -> None:
    app = view("literature", empty_reader, literature_part=IDEAS)
    assert not app.exception
    assert f"{len(ideas())} of {len(ideas())} ideas" in said(app)
    app.selectbox(key="idea slot").set_value("norm").run()
    assert set(app.dataframe[0].value["slot"]) == {"norm"}
    app.text_input(key="idea text").set_value("no idea has these words").run()
    assert "No built-in idea is like this" in said(app)
    assert not empty_reader.exists


@pytest.mark.parametrize("part", [PAPERS, INGEST, CHAIN, BRIEFS])
def test_what_is_empty_says_what_to_do(part: str, view: View, empty_reader: Reader) -> None:
    app = view("literature", empty_reader, literature_part=part)
    assert not app.exception
    assert app.info
    assert not empty_reader.exists


def test_without_a_workspace_the_ideas_are_searched(view: View, empty_reader: Reader) -> None:
    app = view("literature", empty_reader)
    app.text_input[0].set_value("forgetting in a linear recurrence").run()
    assert not app.exception
    assert "Forget Gate" in said(app)
    assert "built-in knowledge; score " in said(app)


def test_the_brief_of_a_study_is_shown(view: View, reader: Reader) -> None:
    finding = {"symptom": "forgets", "name": f"gate {HOSTILE}", "text": "says it", "paper": "2301.00001", "page": 3}
    data = {"after": 0, "citations": {"mixer:ssm": "2405.21060"}, "findings": [finding]}
    reader.store.add_event(STUDY, "literature", "brief", "one paper", data=data)
    app = view("literature", reader, literature_part=BRIEFS)
    assert not app.exception
    assert "forgets; 2301.00001, page 3" in said(app)
    assert list(app.dataframe[0].value["component"]) == ["mixer:ssm"]


def test_the_chain_of_what_could_not_be_verified_says_why(view: View, reader: Reader) -> None:
    card = Card.from_yaml(
        "name: tanh_gate\nslot: channel\nsummary: A gate.\nequations: ['y_t = W_o (tanh(W_a x_t) * (W_b x_t))']\n"
    )
    evidence = {"name": {"page": 1, "passage": "2301.00001#0", "quote": f"the tanh gate {HOSTILE}"}}
    proposal = {"paper": "2301.00001", "title": "A gate", "relation": "new", "evidence": evidence}
    Writings(reader.store).add(card, source="paper", proposal=proposal)
    app = view("literature", reader, literature_part=CHAIN)
    assert not app.exception
    assert list(app.dataframe[0].value["quote"]) == [f"the tanh gate {HOSTILE}"]
    assert "tanh_gate" in app.code[0].value
    assert "still to be written" in said(app)


def test_an_uploaded_pdf_is_ingested_by_a_process_of_its_own(view: View, empty_reader: Reader) -> None:
    document = pymupdf.open()
    page = document.new_page()
    for number, text in enumerate(("A Gate", "Abstract", "We propose a gate of another kind, which forgets less.")):
        page.insert_text((72, 80 + 40 * number), text, fontsize=18 - 4 * number)
    content = document.tobytes()
    document.close()
    app = view("literature", empty_reader, literature_part=INGEST)
    app.file_uploader[0].set_value([("../../a gate.pdf", content, "application/pdf")])
    (button,) = [button for button in app.button if button.label == "Ingest"]
    button.click().run()
    assert not app.exception
    assert not app.error
    for _ in range(1200):
        (run,) = ingest_runs(empty_reader.workspace)
        if not run.running:
            break
        time.sleep(0.1)
    assert run.records, run.progress
    assert run.records[0]["pages"] == 1
    app.run()
    assert list(app.dataframe[0].value["title"]) == ["A Gate"]


def test_an_upload_is_kept_under_a_harmless_name(tmp_path: Path) -> None:
    path = keep_upload(tmp_path, "../../etc/<b>x.pdf", b"%PDF-1.7\n")
    assert path.parent == (tmp_path / "papers" / "uploads").resolve()
    assert path.name == "b_x.pdf"
    with pytest.raises(UsageError, match="is no PDF"):
        keep_upload(tmp_path, "x.pdf", b"MZ")


def test_nothing_named_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a paper"):
        start_ingest(tmp_path, [" ", ""], {})
    assert ingest_runs(tmp_path) == []
