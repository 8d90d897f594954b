"""How fast a large library answers, what it costs, and whether a killed ingest goes on with nothing lost or doubled.

Run as `python -m benchmarks.paper_index [--papers 2000] [--chunks 60] [--real 256] [--kills 3]`. Papers are made of the
sources of the standard library: each chunk is a run of 110 words from a random place. The first `--real` passages are
embedded by the local model; the others get random unit vectors, since embedding them all would take hours. Random
vectors are the hardest case for the graph, and say nothing about what is found. Queries are always embedded for real.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from knowledge.embedding import LocalEmbedder, Vectors, normalised
from knowledge.index import FOLDER
from knowledge.library import Library
from knowledge.papers import Paper, Passage
from neuramosaic.store.store import FILE_NAME, Store

WORDS = 110  # a chunk
QUERIES = 100
RETRIEVALS = {"dense": ("vectors",), "words": ("words",), "fused": ("vectors", "words")}


class FillingEmbedder(LocalEmbedder):
    """The local model for the first texts, random unit vectors for those after them."""

    def __init__(self, real: int, seed: int) -> None:
        super().__init__()
        self.left = real
        self.seconds = 0.0
        self.embedded = 0
        self._rng = np.random.default_rng(seed)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, shape `(n, 384)`."""
        real = min(self.left, len(texts))
        self.left -= real
        begun = time.perf_counter()
        vectors = super().embed(texts[:real])
        self.seconds += time.perf_counter() - begun
        self.embedded += real
        rest = self._rng.normal(size=(len(texts) - real, self.dimension))
        return np.concatenate([vectors, normalised(rest)]) if real < len(texts) else vectors


def standard_library() -> list[str]:
    """Return the words of the standard library's sources."""
    words: list[str] = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        words += path.read_text(encoding="utf-8", errors="replace").split()
    return words


def make_paper(number: int, chunks: int, words: Sequence[str]) -> tuple[Paper, list[Passage]]:
    """Return a made paper: the same for the same number."""
    rng = random.Random(number)
    paper = Paper(id=f"made-{number:05d}", title=f"Made paper {number}", sha256=f"made {number}", pages=chunks // 4 + 1)
    begins = [rng.randrange(len(words) - WORDS) for _ in range(chunks)]
    return paper, [
        Passage(paper.id, index, f"{index // 10 + 1} Section", index // 4 + 1, " ".join(words[begin : begin + WORDS]))
        for index, begin in enumerate(begins)
    ]


def ingest(workspace: Path, papers: int, chunks: int, real: int) -> None:
    """Add the papers that are not there yet."""
    words = standard_library()
    embedder = FillingEmbedder(real, seed=os.getpid())
    begun = time.perf_counter()
    with Store.open(workspace) as store, Library(store, workspace, embedder) as library:
        library.repair()
        present = {paper.id for paper in library.papers()}
        print(f"  resumed in {time.perf_counter() - begun:.1f} s with {len(present)} papers", flush=True)
        begun, added = time.perf_counter(), 0
        for number in range(papers):
            if f"made-{number:05d}" not in present:
                added += bool(library.add(*make_paper(number, chunks, words)))
        seconds = time.perf_counter() - begun
    if embedder.embedded:
        print(
            f"  {embedder.embedded} passages embedded for real at {embedder.embedded / embedder.seconds:.1f} a second"
        )
    if added:
        print(f"  {added} papers added in {seconds:.0f} s, {1000 * seconds / added:.0f} ms each, embedding included")


def ask(workspace: Path) -> None:
    """Measure queries in a process that has done nothing else."""
    words = standard_library()
    embedder = LocalEmbedder()
    embedder.embed(["the model is loaded"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with Store.open(workspace) as store, Library(store, workspace, embedder) as library:
        begun = time.perf_counter()
        library.search("how is a pattern compiled", by=("vectors",))
        print(f"open, with the first query: {time.perf_counter() - begun:.2f} s")
        rng = random.Random(0)
        texts = []
        for _ in range(QUERIES):
            begin = rng.randrange(len(words) - WORDS)
            texts.append(" ".join(words[begin : begin + rng.randint(6, 14)]))
        print(f"{QUERIES} queries of 6 to 14 words, embedding them included, in ms:")
        print(f"{'':<16} {'p50':>7} {'p95':>7} {'p99':>7} {'most':>7}")
        some = [f"made-{number:05d}" for number in range(0, 2000, 100)]
        for name, by in (*RETRIEVALS.items(), ("fused, 20 papers", RETRIEVALS["fused"])):
            took = []
            for text in texts:
                begun = time.perf_counter()
                hits = library.search(text, 5, by=by, papers=some if "20" in name else None)
                took.append(1000 * (time.perf_counter() - begun))
                assert hits, (name, text)
            p50, p95, p99 = np.percentile(took, [50, 95, 99])
            print(f"{name:<16} {p50:>7.1f} {p95:>7.1f} {p99:>7.1f} {max(took):>7.1f}", flush=True)
        print(f"embedding alone: {1000 * timed(embedder, texts):.1f} ms a query")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: {before:.0f} MiB with the model, {after:.0f} MiB at most with the library")


def timed(embedder: LocalEmbedder, texts: Sequence[str]) -> float:
    """Return the mean seconds that a text takes by itself."""
    begun = time.perf_counter()
    for text in texts:
        embedder.embed([text])
    return (time.perf_counter() - begun) / len(texts)


def verify(workspace: Path, papers: int, chunks: int) -> None:
    """Compare the store, the index and the papers that should be there."""
    words = standard_library()
    with Store.open(workspace) as store, Library(store, workspace, LocalEmbedder()) as library:
        assert [paper.id for paper in library.papers()] == [f"made-{number:05d}" for number in range(papers)]
        for number in range(0, papers, max(1, papers // 50)):
            paper, passages = make_paper(number, chunks, words)
            assert library.passages(paper.id) == passages, paper.id
        assert library.search("regular expression")
        index = library._index.ids()
        stored = {row["id"] for row in store.rows("SELECT id FROM passages")}
        vectors = store.rows("SELECT count(*) AS n FROM passage_vectors")[0]["n"]
        assert index == stored, (len(index), len(stored))
        assert len(stored) == vectors == papers * chunks, (len(stored), vectors)
    print(f"verified: {papers} papers, {len(stored)} passages, the same in the index, none lost or doubled")


def main() -> None:
    """Build the library in a process that is killed some times, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", type=int, default=2000)
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--real", type=int, default=256, help="passages embedded for real by the first process")
    parser.add_argument("--kills", type=int, default=3, help="how often the ingest is killed with SIGKILL")
    parser.add_argument("--kill-after-s", type=float, default=40.0)
    parser.add_argument("--workspace", type=Path, help="kept, and used again; else a temporary one")
    parser.add_argument("--part", choices=("ingest", "ask"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part == "ingest":
        return ingest(given.workspace, given.papers, given.chunks, given.real)
    if given.part == "ask":
        return ask(given.workspace)
    with tempfile.TemporaryDirectory() as folder:
        workspace = given.workspace or Path(folder) / "workspace"
        command = [sys.executable, "-m", "benchmarks.paper_index", "--workspace", str(workspace)]
        command += ["--papers", str(given.papers), "--chunks", str(given.chunks), "--part"]
        rng = random.Random(0)
        for kill in range(given.kills + 1):
            real = given.real if kill == 0 else 0
            wait = given.kill_after_s * rng.uniform(0.5, 1.5) if kill < given.kills else None
            process = subprocess.Popen([*command, "ingest", "--real", str(real)])
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                print(f"killed the ingest after {wait:.0f} s", flush=True)
                continue
            if process.returncode:
                sys.exit(f"the ingest ended with {process.returncode}")
        verify(workspace, given.papers, given.chunks)
        subprocess.run([*command, "ask"], check=True)
        sizes = {
            "neuramosaic.db": (workspace / FILE_NAME).stat().st_size,
            "chroma": sum(path.stat().st_size for path in (workspace / FOLDER).rglob("*") if path.is_file()),
        }
        print("disk: " + json.dumps({name: f"{size / 2**20:.0f} MiB" for name, size in sizes.items()}))


if __name__ == "__main__":
    main()
