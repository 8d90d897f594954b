"""What a person types to name papers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from knowledge.fetching import file_paper, parse_reference, pdf_files
from knowledge.papers import Block, Document, Paper, PaperError, Section


@pytest.mark.parametrize(
    ("text", "arxiv_id", "version"),
    [
        ("2307.08621", "2307.08621", None),
        ("  2307.08621v4 ", "2307.08621", 4),
        ("arXiv:2307.08621v4", "2307.08621", 4),
        ("arXiv:2307.08621v4 [cs.CL]", "2307.08621", 4),
        ("ARXIV: 0704.0001", "0704.0001", None),
        ("cs/0701123", "cs/0701123", None),
        ("math.GT/0309136v2", "math.GT/0309136", 2),
        ("hep-th/9901001", "hep-th/9901001", None),
        ("https://arxiv.org/abs/2307.08621", "2307.08621", None),
        ("http://www.arxiv.org/pdf/2307.08621v2.pdf", "2307.08621", 2),
        ("https://export.arxiv.org/pdf/2307.08621v2?download=1#page=3", "2307.08621", 2),
        ("https://arxiv.org/html/2307.08621v1/", "2307.08621", 1),
        ("https://arxiv.org/abs/cs/0701123v1", "cs/0701123", 1),
        ("https://doi.org/10.48550/arXiv.2307.08621", "2307.08621", None),
        ("10.48550/arXiv.2307.08621", "2307.08621", None),
    ],
)
def test_arxiv_ids_and_addresses(text: str, arxiv_id: str, version: int | None) -> None:
    reference = parse_reference(text)
    assert (reference.kind, reference.arxiv_id, reference.version) == ("arxiv", arxiv_id, version)
    assert reference.versioned_id == arxiv_id + (f"v{version}" if version else "")


@pytest.mark.parametrize(
    "text", ["cat:cs.LG AND linear attention", 'ti:"linear attention"', "all:mamba", "gated linear units"]
)
def test_searches(text: str) -> None:
    reference = parse_reference(text)
    assert (reference.kind, reference.query, reference.versioned_id) == ("search", text, "")


def test_a_file_or_folder_that_exists_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2307.08621").write_bytes(b"%PDF-1.5")
    Path("papers").mkdir()
    assert parse_reference("2307.08621").kind == "file"
    assert parse_reference("papers").kind == "folder"
    assert parse_reference(str(tmp_path / "papers")).path == tmp_path / "papers"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name an arXiv id"),
        ("missing.pdf", "no such file or folder"),
        ("./nowhere/", "no such file or folder"),
        ("2313.08621", "not an arXiv id"),
        ("2307.086", "not an arXiv id"),
        ("arXiv:hello", "not an arXiv id"),
        ("https://example.org/paper.pdf", "only addresses on arxiv.org"),
        ("https://arxiv.org.example.org/abs/2307.08621", "only addresses on arxiv.org"),
        ("https://arxiv.org/list/cs.LG/recent", "no paper's address"),
        ("http://[broken", "not an address"),
        ("attention", "write all:attention"),
        ('ti:"linear attention', "not closed"),
        ("?? !!", "neither an arXiv id"),
        ("two\nlines", "one line"),
    ],
)
def test_what_is_none_says_what_would_help(text: str, message: str) -> None:
    with pytest.raises(PaperError, match=message) as caught:
        parse_reference(text)
    assert "\n" not in str(caught.value)


def test_a_folder_gives_its_pdf_files_by_name(tmp_path: Path) -> None:
    for name in ("b.PDF", "a.pdf", ".hidden.pdf", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.pdf").mkdir()
    assert [path.name for path in pdf_files(tmp_path)] == ["a.pdf", "b.PDF"]
    with pytest.raises(PaperError, match="no PDF file"):
        pdf_files(tmp_path / "folder.pdf")
    with pytest.raises(PaperError, match="cannot be read"):
        pdf_files(tmp_path / "nowhere")


def test_what_is_known_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.5 something")
    digest = hashlib.sha256(b"%PDF-1.5 something").hexdigest()
    abstract = Section("Abstract", "", 1, (Block("We propose a layer.", 1), Block("Figure 1: It.", 1, "caption")))
    paper = file_paper(path, Document("A Layer", (abstract,), (), 3))
    assert paper == Paper(
        f"file-{digest[:12]}", "A Layer", abstract="We propose a layer.", origin="paper.pdf", sha256=digest, pages=3
    )
    stamped = file_paper(path, Document("", (), (), 3, arxiv_id="2307.08621", version=2))
    assert (stamped.id, stamped.version, stamped.title) == ("2307.08621", 2, "paper")
    known = Paper(
        "2307.08621", "True Title", arxiv_id="2307.08621", version=4, origin="https://arxiv.org/abs/2307.08621v4"
    )
    told = file_paper(path, Document("Wrong", (), (), 3), known=known)
    assert (told.title, told.version, told.origin, told.sha256) == ("True Title", 4, known.origin, digest)
