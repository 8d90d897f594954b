"""The library: what is kept, found, replaced and removed; copies, damage, and several processes at once."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from knowledge.embedding import EmbeddingError, HashingEmbedder, Vectors
from knowledge.index import FOLDER
from knowledge.library import EmbedderMismatchError, Library
from knowledge.papers import Paper, PaperError, Passage
from knowledge.shelf import Added
from neuramosaic.errors import NotFoundError
from neuramosaic.store.store import Store

ROOT = Path(__file__).parents[2]
TEXTS = {
    "2307.08621": ("Retention keeps a state that decays", "Its chunkwise form is parallel within a chunk"),
    "2405.21060": ("Structured masked attention is dual to a scan", "Heads share the projections B and C"),
    "1706.03762": ("Scaled dot product attention", "Sinusoids encode the position", "Label smoothing hurts perplexity"),
}


def paper(name: str, version: int = 1, sha256: str | None = None) -> Paper:
    return Paper(
        id=name,
        title=f"Title of {name}",
        authors=("A. Author", "B. Author"),
        arxiv_id=name,
        version=version,
        sha256=f"{name}v{version}" if sha256 is None else sha256,
        pages=9,
    )


def passages(name: str, texts: Sequence[str] = ()) -> list[Passage]:
    return [
        Passage(name, number, f"{number + 1} Section", number + 2, text, "equation" if number == 2 else "text")
        for number, text in enumerate(texts or TEXTS[name])
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


@pytest.fixture
def library(store: Store, tmp_path: Path) -> Iterator[Library]:
    with Library(store, tmp_path, HashingEmbedder()) as library:
        for name in TEXTS:
            library.add(paper(name), passages(name))
        yield library


def consistent(library: Library, store: Store) -> int:
    """Assert that store, vectors, words and index hold the same passages; return how many."""
    ids = {row["id"] for row in store.rows("SELECT id FROM passages")}
    library.search("anything", by=("vectors",))
    assert library._index.ids() == ids
    assert {row["passage"] for row in store.rows("SELECT passage FROM passage_vectors")} == ids
    assert {row["id"] for row in store.rows("SELECT rowid AS id FROM passages_fts")} == ids
    assert store.rows("SELECT * FROM passages_removed") == []
    assert store.rows("SELECT id FROM papers WHERE indexed = 0") == []
    with store.write() as db:
        db.conn.execute("INSERT INTO passages_fts (passages_fts, rank) VALUES ('integrity-check', 1)")
    return len(ids)


def test_papers_and_passages_come_back_as_they_were_given(library, store):
    assert [item.id for item in library.papers()] == list(TEXTS)
    assert library.paper("2307.08621") == paper("2307.08621")
    assert library.passages("1706.03762") == passages("1706.03762")
    assert library.with_file("2405.21060v1") == paper("2405.21060")
    assert library.with_file("") is None
    assert consistent(library, store) == 7
    with pytest.raises(NotFoundError, match="paper '1'"):
        library.passages("1")


@pytest.mark.parametrize("by", [("vectors",), ("words",), ("vectors", "words")])
def test_a_passage_is_found_with_its_place(library, by):
    hit = library.search("chunkwise form parallel chunk", 3, by=by)[0]
    assert hit.passage == passages("2307.08621")[1]
    assert hit.passage.id == "2307.08621#1"
    assert (hit.title, hit.found_by) == ("Title of 2307.08621", by)


def test_the_words_of_a_query_match_other_forms_of_them(library):
    assert library.search("decaying states", by=("words",))[0].passage.text == TEXTS["2307.08621"][0]


@pytest.mark.parametrize(
    "text",
    [
        'state" OR 1',
        "text: state",
        "NEAR(state, 2)",
        "state AND (",
        "-state* ^state",
        "state' --",
        "STATE \x00 {state}",
    ],
)
def test_nothing_in_a_query_is_syntax(library, text):
    assert library.search(text, by=("words",))[0].passage.text == TEXTS["2307.08621"][0]


@pytest.mark.parametrize("text", ["", "  ", "?!", "nowhere"])
def test_a_query_without_a_word_that_is_there(library, text):
    assert library.search(text, by=("words",)) == []
    assert len(library.search(text, 2)) == (2 if text.strip() else 0)


def test_a_search_can_be_narrowed(library):
    assert {hit.passage.paper for hit in library.search("attention", 9, papers=["1706.03762"])} == {"1706.03762"}
    (hit,) = library.search("attention perplexity", 9, kinds=["equation"])
    assert hit.passage.number == 2
    assert library.search("attention", 9, papers=["2307.08621"], kinds=["equation"]) == []
    assert library.search("attention", 9, papers=[]) == []


def test_the_same_file_again_changes_nothing(library, store):
    before = store.rows("SELECT id FROM passages")
    assert library.add(paper("2307.08621"), passages("2307.08621", ["other words"])) is Added.PRESENT
    other_name = dataclasses.replace(paper("2307.08621"), id="file-0123456789ab")
    assert not library.add(other_name, passages(other_name.id, ["other words"]))
    assert store.rows("SELECT id FROM passages") == before
    assert library.add(paper("2307.08621"), passages("2307.08621", ["read in a better way"]), anew=True)
    assert consistent(library, store) == 6


def test_a_new_version_replaces_the_passages_and_an_old_one_does_not(library, store, caplog):
    with caplog.at_level("INFO", "knowledge"):
        assert library.add(paper("2307.08621", 3), passages("2307.08621", ["A gated retention"])) is Added.REPLACED
    assert "2307.08621: version 3 replaces 1" in caplog.text
    assert (library.paper("2307.08621").version, library.replaced("2307.08621")) == (3, 1)
    assert [hit.passage.text for hit in library.search("chunkwise parallel", 9, papers=["2307.08621"])] == [
        "A gated retention"
    ]
    assert library.add(paper("2307.08621", 2), passages("2307.08621", ["An older text"])) is Added.OLDER
    assert consistent(library, store) == 6
    assert library.replaced("1706.03762") is None


def test_a_removed_paper_is_not_found_any_more(library, store):
    library.remove("1706.03762")
    assert "1706.03762" not in {hit.passage.paper for hit in library.search("attention position", 9)}
    assert consistent(library, store) == 4
    with pytest.raises(NotFoundError):
        library.remove("1706.03762")


def test_papers_that_cannot_be_kept(library, store):
    with pytest.raises(PaperError, match="no text was found"):
        library.add(paper("1"), [])
    with pytest.raises(PaperError, match=r"a passage of 2307\.08621 was given"):
        library.add(paper("1"), passages("2307.08621"))
    with pytest.raises(PaperError, match="the same number"):
        library.add(paper("1"), passages("1", ["a"]) * 2)
    with pytest.raises(PaperError, match="begin with 'builtin:'"):
        library.add(paper("builtin:1"), passages("builtin:1", ["a"]))
    assert library.add(paper("1"), passages("1", ["half a character \ud835 and a zero \x00"])) is Added.ADDED
    assert library.search("character")[0].passage.text == "half a character ? and a zero \x00"
    assert consistent(library, store) == 8


def test_an_empty_library_finds_nothing_and_makes_no_index(store, tmp_path):
    with Library(store, tmp_path, HashingEmbedder()) as library:
        assert library.search("attention") == []
        library.repair()
    assert not (tmp_path / FOLDER).exists()


# -- the embedder ------------------------------------------------------------------------------------------------------


def test_another_embedder_is_refused_until_the_papers_are_indexed_anew(library, store, tmp_path):
    with Library(store, tmp_path, HashingEmbedder(32)) as other:
        assert len(other.papers()) == 3
        for use in (
            lambda: other.search("attention"),
            lambda: other.add(paper("1"), passages("1", ["a"])),
            lambda: other.remove("1706.03762"),
            other.repair,
        ):
            with pytest.raises(EmbedderMismatchError, match=r"with hashing-64 .*not with hashing-32 .*reindex\(\)"):
                use()
        assert other.search("attention", by=("words",))
        other.reindex()
        assert other.search("chunkwise parallel")[0].passage == passages("2307.08621")[1]
        assert consistent(other, store) == 7
    with pytest.raises(EmbedderMismatchError, match="with hashing-32"):
        library.search("attention")


class FailingEmbedder(HashingEmbedder):
    """Fails after some texts."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good = good

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.good -= len(texts)
        if self.good < 0:
            raise EmbeddingError("the server is away")
        return super().embed(texts)


def test_a_paper_whose_embedding_failed_is_kept_and_completed_later(store, tmp_path):
    texts = [f"passage number {number}" for number in range(100)]
    with Library(store, tmp_path, FailingEmbedder(70)) as library:
        with pytest.raises(EmbeddingError, match="away"):
            library.add(paper("1"), passages("1", texts))
        assert store.rows("SELECT count(*) AS n FROM passage_vectors") == [{"n": 64}]
        assert library.search("number 99", by=("words",))
    with Library(store, tmp_path, HashingEmbedder()) as library:
        assert library.search("passage number 99", by=("vectors",))
        assert consistent(library, store) == 100


def test_vectors_of_the_wrong_shape_are_refused(store, tmp_path):
    embedder = HashingEmbedder()
    embedder.embed = lambda texts: np.zeros((1, 3), dtype=np.float32)  # type: ignore[method-assign]
    with Library(store, tmp_path, embedder) as library, pytest.raises(EmbeddingError, match=r"shape \(1, 3\)"):
        library.add(paper("1"), passages("1", ["a"]))


# -- the built-in knowledge base ---------------------------------------------------------------------------------------


def builtin(*ideas: tuple[str, str]) -> list[tuple[Paper, list[Passage]]]:
    return [(Paper(id=name, title=name.title()), [Passage(name, 0, "Idea", 1, text)]) for name, text in ideas]


def test_a_knowledge_base_is_searched_updated_and_never_mixed_with_papers(store, tmp_path):
    with Library(
        store, tmp_path, HashingEmbedder(), builtin=builtin(("moe", "sparse experts"), ("glu", "gates"))
    ) as one:
        one.add(paper("moe", sha256="x"), passages("moe", ["a paper of the same name on experts"]))
        assert one.search("sparse experts")[0].passage == Passage("builtin:moe", 0, "Idea", 1, "sparse experts")
        assert [item.id for item in one.papers()] == ["moe"]
        assert [item.id for item in one.papers(builtin=True)] == ["builtin:moe", "builtin:glu"]
        with pytest.raises(PaperError, match="cannot be removed"):
            one.remove("builtin:moe")
        changes = store.rows("SELECT changes FROM passage_index")
    with Library(
        store, tmp_path, HashingEmbedder(), builtin=builtin(("moe", "sparse experts"), ("glu", "gates"))
    ) as same:
        same.search("gates")
        assert store.rows("SELECT changes FROM passage_index") == changes
    with Library(store, tmp_path, HashingEmbedder(), builtin=builtin(("moe", "routing by a soft top"))) as changed:
        assert changed.search("routing top soft")[0].passage.text == "routing by a soft top"
        assert [item.id for item in changed.papers(builtin=True)] == ["builtin:moe"]
        assert consistent(changed, store) == 2


# -- copies and damage -------------------------------------------------------------------------------------------------


def reopened(workspace: Path) -> int:
    with Store.open(workspace) as store, Library(store, workspace, HashingEmbedder()) as library:
        hit = library.search("chunkwise form parallel chunk", 1, by=("vectors",))[0]
        assert hit.passage == passages("2307.08621")[1]
        return consistent(library, store)


def test_a_copied_workspace_works(library, store, tmp_path):
    library.close()
    copy = tmp_path.with_name("the copy of it")
    shutil.copytree(tmp_path, copy)
    try:
        shutil.rmtree(tmp_path / FOLDER)
        assert reopened(copy) == 7
    finally:
        shutil.rmtree(copy)


@pytest.mark.parametrize("damage", ["gone", "empty", "garbage", "a file"])
def test_a_damaged_index_is_made_anew_without_the_embedder(library, tmp_path, damage, caplog):
    library.close()
    folder = tmp_path / FOLDER
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "a file":
        shutil.rmtree(folder)
        folder.write_text("not a folder")
    else:
        (folder / "chroma.sqlite3").write_bytes(b"" if damage == "empty" else b"\x07" * 9000)
    assert reopened(tmp_path) == 7


@pytest.mark.parametrize(
    ("file", "damage"),
    [("data_level0.bin", "truncated"), ("header.bin", "truncated"), ("index_metadata.pickle", "gone")],
)
def test_a_damaged_graph_is_noticed_before_chroma_crashes_on_it(store, tmp_path, file, damage):
    with Library(store, tmp_path, HashingEmbedder()) as library:
        for number in range(4):  # Chroma writes its graph once a thousand vectors have come
            texts = [f"word{number * 400 + index} and{index % 37} more{index % 11}" for index in range(400)]
            library.add(paper(f"made-{number}"), passages(f"made-{number}", texts))
        library.add(paper("2307.08621"), passages("2307.08621"))
    (path,) = (tmp_path / FOLDER).glob(f"*/{file}")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert reopened(tmp_path) == 1602


def test_what_the_index_lost_or_has_too_much_is_mended(library, store):
    library.search("attention")
    first = store.rows("SELECT min(id) AS id FROM passages")[0]["id"]
    library._index.remove([first])
    library._index.put([999], HashingEmbedder().embed(["a stranger"]), ["nobody"], ["text"])
    assert all(hit.passage.paper in TEXTS for hit in library.search("a stranger", 9))
    library.repair()
    assert consistent(library, store) == 7


# -- several at once ---------------------------------------------------------------------------------------------------

ADDER = """
import sys
from pathlib import Path
from knowledge.embedding import HashingEmbedder
from knowledge.library import Library
from knowledge.papers import Paper, Passage
from neuramosaic.store.store import Store

workspace, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Store.open(workspace) as store, Library(store, workspace, HashingEmbedder()) as library:
    for number in range(count):
        name = f"{who}-{number}"
        texts = [f"{who} writes passage {index} of paper {number}" for index in range(20)]
        library.add(Paper(id=name, title=name, sha256=name), [Passage(name, i, "", 1, t) for i, t in enumerate(texts)])
        assert library.search(texts[7], 1)[0].passage.text == texts[7]
"""


def adder(workspace: Path, who: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error", "-c", ADDER, str(workspace), who, str(count)]
    return subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""})


def test_processes_that_add_at_once_and_one_that_searches_meanwhile(library, store, tmp_path):
    adders = [adder(tmp_path, who, 8) for who in ("ann", "bob")]
    searches = 0
    while any(process.poll() is None for process in adders):
        assert library.search("chunkwise form parallel chunk", 1)[0].passage == passages("2307.08621")[1]
        searches += 1
    assert [process.returncode for process in adders] == [0, 0]
    assert searches > 0
    # This process saw the index before; it finds what the others have added since.
    hits = library.search("ann writes passage 3 of paper 6", 20, by=("vectors",))
    assert "ann writes passage 3 of paper 6" in {hit.passage.text for hit in hits}
    assert consistent(library, store) == 7 + 2 * 8 * 20


def test_threads_share_a_library(library, store):
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for index in range(3):
                name = f"thread-{number}-{index}"
                library.add(paper(name), passages(name, [f"thread {number} adds {index}"]))
                assert library.search(f"thread {number} adds {index}", 1)
        except BaseException as error:  # told to the test, which raises it
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert consistent(library, store) == 7 + 12
