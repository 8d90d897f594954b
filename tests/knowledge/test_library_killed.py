"""A process that adds a paper is killed with SIGKILL at each step; the next one completes what is missing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from knowledge.embedding import HashingEmbedder
from knowledge.library import Library
from knowledge.papers import Paper, Passage
from neuramosaic.store.store import Store

ROOT = Path(__file__).parents[2]
COUNT = 90  # passages a paper: three batches of embedding

# Adds the paper "two", or a new version of "one", or removes "one", and dies before or after the n-th call of a method.
# Chroma gets the 90 passages in two batches.
KILLED = """
import os, signal, sys
from pathlib import Path
from chromadb.api.models.Collection import Collection
from knowledge import index, library, shelf
from knowledge.embedding import HashingEmbedder
from knowledge.papers import Paper, Passage
from neuramosaic.store.store import Store

workspace, action, owner, name, when, call = Path(sys.argv[1]), *sys.argv[2:6], int(sys.argv[6])
holder = {"shelf": shelf.Shelf, "index": index.VectorIndex, "embedder": HashingEmbedder, "chroma": Collection}[owner]
original, calls = getattr(holder, name), [0]

def dying(*args, **kwargs):
    calls[0] += 1
    if calls[0] == call and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*args, **kwargs)
    if calls[0] == call and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(holder, name, dying)
index._BATCH = 50
texts = [f"word{n} of the second text" for n in range(int(sys.argv[7]))]
with Store.open(workspace) as store, library.Library(store, workspace, HashingEmbedder()) as kept:
    if action == "remove":
        kept.remove("one")
    else:
        paper = Paper(action, "T", arxiv_id=action, version=2, sha256=f"{action} 2")
        kept.add(paper, [Passage(action, n, "S", 1, text) for n, text in enumerate(texts)])
"""


def checked(workspace: Path) -> dict[str, list[str]]:
    """Use the workspace as the next process does, and return the texts of its papers, after comparing all copies."""
    with Store.open(workspace) as store, Library(store, workspace, HashingEmbedder()) as library:
        library.search("word7", by=("vectors",))
        ids = [row["id"] for row in store.rows("SELECT id FROM passages ORDER BY id")]
        assert sorted(library._index.ids()) == ids
        assert library._index.count() == len(ids)
        assert [row["passage"] for row in store.rows("SELECT passage FROM passage_vectors ORDER BY 1")] == ids
        assert [row["id"] for row in store.rows("SELECT rowid AS id FROM passages_fts ORDER BY 1")] == ids
        assert store.rows("SELECT * FROM passages_removed") == []
        for paper in library.papers():
            passage = library.passages(paper.id)[7]
            assert passage in [hit.passage for hit in library.search(passage.text, 3, papers=[paper.id])]
        return {paper.id: [passage.text for passage in library.passages(paper.id)] for paper in library.papers()}


def texts(which: str, count: int = COUNT) -> list[str]:
    return [f"word{number} of the {which} text" for number in range(count)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with Store.open(tmp_path) as store, Library(store, tmp_path, HashingEmbedder()) as library:
        passages = [Passage("one", number, "S", 1, text) for number, text in enumerate(texts("first"))]
        library.add(Paper("one", "T", arxiv_id="one", version=1, sha256="one 1"), passages)
    return tmp_path


def killed(workspace: Path, action: str, owner: str, name: str, when: str, call: int = 1, count: int = COUNT) -> None:
    """Do an action in a process that dies there."""
    command = [sys.executable, "-c", KILLED, str(workspace), action, owner, name, when, str(call), str(count)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""}, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL


STEPS = [
    ("shelf", "put", "before", 1),
    ("shelf", "put", "after", 1),
    ("embedder", "embed", "before", 2),
    ("shelf", "keep_vectors", "after", 2),
    ("shelf", "begin_change", "after", 1),
    ("chroma", "upsert", "after", 1),
    ("index", "put", "after", 1),
    ("index", "load", "after", 2),
    ("shelf", "end_change", "after", 1),
    ("shelf", "mark_indexed", "after", 1),
]


@pytest.mark.parametrize(("owner", "name", "when", "call"), STEPS)
def test_a_paper_is_there_whole_or_not_at_all(workspace, owner, name, when, call):
    killed(workspace, "two", owner, name, when, call)
    expected = {"one": texts("first")}
    if (name, when) != ("put", "before") or owner != "shelf":
        expected["two"] = texts("second")
    assert checked(workspace) == expected


@pytest.mark.parametrize(
    ("owner", "name", "when"),
    [("shelf", "put", "after"), ("index", "remove", "before"), ("index", "remove", "after"), ("index", "put", "after")],
)
def test_a_new_version_replaces_all_of_the_old_one(workspace, owner, name, when):
    killed(workspace, "one", owner, name, when)
    assert checked(workspace) == {"one": texts("second")}


@pytest.mark.parametrize(
    ("owner", "name", "when"),
    [("shelf", "drop", "before"), ("shelf", "drop", "after"), ("index", "remove", "after")],
)
def test_a_removed_paper_stays_removed(workspace, owner, name, when):
    killed(workspace, "remove", owner, name, when)
    assert checked(workspace) == ({"one": texts("first")} if when == "before" else {})


def test_a_process_killed_while_the_graph_was_on_its_way_to_the_disk(workspace, caplog):
    # Chroma writes its graph when a thousand vectors have come; what it left of it is not trusted.
    killed(workspace, "two", "index", "put", "after", count=1200)
    assert checked(workspace) == {"one": texts("first"), "two": texts("second", 1200)}
    assert "making the vector index anew: a process ended while it wrote the vector index" in caplog.text
