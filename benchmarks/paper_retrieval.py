"""How often the library finds the page that answers a question, by meaning, by words and by both.

Run as `python -m benchmarks.paper_retrieval PDF-FOLDER [--questions benchmarks/paper_questions.yaml]`. The folder holds
the papers of the questions as `<arXiv id>.pdf`. A question counts as answered at k if one of the first k passages is of
the right paper and on one of the pages that answer it. Printed are the rates, and the questions not answered at 5.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from knowledge.embedding import LocalEmbedder
from knowledge.library import Library, Retrieval
from knowledge.papers import Paper, Passage
from neuramosaic.store.store import Store

ARMS: dict[str, tuple[Retrieval, ...]] = {
    "dense": ("vectors",),
    "words": ("words",),
    "fused": ("vectors", "words"),
}
DEPTHS = (1, 3, 5)


def plain_passages(path: Path, words: int = 110) -> Iterator[Passage]:
    """Yield the text of a PDF in runs of so many words, none over the end of a page."""
    import pymupdf

    number = 0
    with pymupdf.open(path) as document:
        for page, content in enumerate(document, start=1):
            text = content.get_text().replace("-\n", "").split()
            for begin in range(0, len(text), words):
                yield Passage(path.stem, number, "", page, " ".join(text[begin : begin + words]))
                number += 1


def read(path: Path, plain: bool) -> tuple[Paper, list[Passage]]:
    """Return a paper and its passages."""
    if plain:
        passages = list(plain_passages(path))
        return Paper(id=path.stem, title="", sha256=path.name, pages=passages[-1].page), passages
    from knowledge.chunking import passages
    from knowledge.reading import read_pdf

    document = read_pdf(path)
    found = list(passages(document, path.stem))
    return Paper(id=path.stem, title=document.title, sha256=path.name, pages=document.pages), found


def main() -> None:
    """Index the papers, ask the questions, print how often the answer was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=Path, default=Path(__file__).parent / "paper_questions.yaml")
    parser.add_argument(
        "--plain", action="store_true", help="runs of 110 words of each page, not the reader's passages"
    )
    parser.add_argument("--workspace", type=Path, help="kept, and used again; else a temporary one")
    given = parser.parse_args()
    questions: list[dict[str, Any]] = yaml.safe_load(given.questions.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        workspace = given.workspace or Path(folder)
        with Store.open(workspace) as store, Library(store, workspace, LocalEmbedder()) as library:
            begun, count = time.perf_counter(), 0
            wanted = sorted({item["paper"] for item in questions})
            for name in wanted:
                paper, passages = read(given.folder / f"{name}.pdf", given.plain)
                library.add(paper, passages)
                count += len(passages)
            seconds = time.perf_counter() - begun
            print(f"{len(wanted)} papers, {count} passages, in {seconds:.0f} s; {len(questions)} questions")
            answer(library, questions)


def answer(library: Library, questions: list[dict[str, Any]]) -> None:
    """Ask the questions in each way."""
    ranks: dict[str, list[int | None]] = {}
    for name, by in ARMS.items():
        ranks[name] = []
        for item in questions:
            hits = library.search(item["question"], max(DEPTHS), by=by)
            right = [h.passage.paper == item["paper"] and h.passage.page in item["pages"] for h in hits]
            ranks[name].append(right.index(True) + 1 if True in right else None)
    print(f"{'answered at':<12}" + "".join(f"{depth:>8}" for depth in DEPTHS))
    for name, found in ranks.items():
        rates = [sum(rank is not None and rank <= depth for rank in found) / len(found) for depth in DEPTHS]
        print(f"{name:<12}" + "".join(f"{rate:>8.3f}" for rate in rates))
    for item, rank in zip(questions, ranks["fused"], strict=True):
        if rank is None:
            hits = library.search(item["question"], max(DEPTHS))
            places = ", ".join(f"{hit.passage.paper} p. {hit.passage.page}" for hit in hits)
            print(f"not found: {item['question']} [{item['paper']} p. {item['pages']}] but {places}")


if __name__ == "__main__":
    main()
