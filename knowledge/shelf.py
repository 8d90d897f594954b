"""Papers and passages as rows of the store: the truth that the vector index is made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from knowledge.embedding import Vectors
from knowledge.papers import Paper, PaperError, Passage
from neuramosaic.canonical import canonical_json, content_id
from neuramosaic.store.store import Store, now

#: Begins the id under which a paper of the built-in knowledge base is kept.
BUILTIN = "builtin:"


class Added(Enum):
    """What adding a paper did. True if it changed something."""

    ADDED = "added"
    REPLACED = "replaced"  # another version, or another file, of a paper that was there
    PRESENT = "present"  # the same file is there
    OLDER = "older"  # a newer version is there

    def __bool__(self) -> bool:
        return self in (Added.ADDED, Added.REPLACED)


@dataclass(frozen=True)
class IndexState:
    """What the vector index is made with, and where it stands.

    Attributes:
        embedder: Name of the embedder.
        dimension: Length of its vectors.
        build: Id of this making of the index.
        changes: How often it was changed, over all builds.
        writing: When the change began that is not finished, in nanoseconds of the clock; 0 if none is.
        files: Bytes of each file of the graph after the last finished change.
    """

    embedder: str
    dimension: int
    build: str
    changes: int
    writing: int
    files: dict[str, int]


def content_of(paper: Paper, passages: Sequence[Passage]) -> str:
    """Return the content id of what is kept of a paper."""
    return content_id([asdict(paper), [asdict(passage) for passage in passages]])


def checked(paper: Paper, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """Return the passages of a paper.

    Raises:
        PaperError: If there are none, or they are another paper's, or a number occurs twice.
    """
    if not passages:
        raise PaperError(paper.id, "no text was found in it to search")
    strangers = {passage.paper for passage in passages} - {paper.id}
    if strangers:
        raise PaperError(paper.id, f"a passage of {min(strangers)} was given for it")
    if len({passage.number for passage in passages}) != len(passages):
        raise PaperError(paper.id, "two of its passages have the same number")
    return tuple(replace(p, text=_storable(p.text), section=_storable(p.section)) for p in passages)


def _storable(text: str) -> str:
    """Return a text without what no UTF-8 can hold: half characters, as broken fonts give them."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Shelf:
    """Reads and writes the rows.

    Args:
        store: The workspace's store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- papers --------------------------------------------------------------------------------------------------------

    def put(self, paper: Paper, passages: Sequence[Passage], *, builtin: bool = False, anew: bool = False) -> Added:
        """Keep a paper and its passages, in one transaction; they are not indexed yet.

        Args:
            paper: The paper.
            passages: All its passages.
            builtin: Whether it belongs to the built-in knowledge base.
            anew: Replace the passages of the same file as well.
        """
        content = content_of(paper, passages)
        with self._store.write() as db:
            if paper.sha256 and not anew and not builtin:
                same = db.conn.execute(
                    "SELECT 1 FROM papers WHERE sha256 = ? AND builtin = 0", (paper.sha256,)
                ).fetchone()
                if same is not None:
                    return Added.PRESENT
            old = db.conn.execute("SELECT version, content FROM papers WHERE id = ?", (paper.id,)).fetchone()
            if old is not None and old[1] == content:
                return Added.PRESENT
            if old is not None and old[0] is not None and paper.version is not None and paper.version < old[0]:
                return Added.OLDER
            self._clear(db.conn, paper.id)
            row = {
                **asdict(paper),
                "authors": canonical_json(list(paper.authors)),
                "content": content,
                "builtin": int(builtin),
                "replaced": old[0] if old is not None else None,
                "indexed": 0,
                "added": now(),
            }
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            updates = ", ".join(f"{name} = excluded.{name}" for name in row if name != "id")
            db.conn.execute(
                f"INSERT INTO papers ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}",
                tuple(row.values()),
            )
            db.conn.executemany(
                "INSERT INTO passages (paper, number, section, page, text, kind) VALUES (?, ?, ?, ?, ?, ?)",
                [(p.paper, p.number, p.section, p.page, p.text, p.kind) for p in passages],
            )
        return Added.ADDED if old is None else Added.REPLACED

    def drop(self, paper: str) -> bool:
        """Remove a paper with all that belongs to it, in one transaction; False if it is not there."""
        with self._store.write() as db:
            self._clear(db.conn, paper)
            return int(db.conn.execute("DELETE FROM papers WHERE id = ?", (paper,)).rowcount) > 0

    @staticmethod
    def _clear(connection: Any, paper: str) -> None:
        """Remove the passages of a paper, and note that the vector index may still hold them."""
        connection.execute("INSERT OR IGNORE INTO passages_removed SELECT id FROM passages WHERE paper = ?", (paper,))
        connection.execute("DELETE FROM passages WHERE paper = ?", (paper,))

    def papers(self, *, builtin: bool) -> list[Paper]:
        """Return the papers in the order in which they were added, those of the knowledge base or the others."""
        rows = self._store.rows("SELECT * FROM papers WHERE builtin = ? ORDER BY rowid", (int(builtin),))
        return [_paper(row) for row in rows]

    def paper(self, paper: str) -> Paper | None:
        """Return a paper, or None."""
        rows = self._store.rows("SELECT * FROM papers WHERE id = ?", (paper,))
        return _paper(rows[0]) if rows else None

    def replaced(self, paper: str) -> int | None:
        """Return the version of a paper that the present one replaced, or None."""
        rows = self._store.rows("SELECT replaced FROM papers WHERE id = ?", (paper,))
        return rows[0]["replaced"] if rows else None

    def with_file(self, sha256: str) -> Paper | None:
        """Return the paper whose PDF has this content, or None."""
        rows = self._store.rows("SELECT * FROM papers WHERE sha256 = ? AND builtin = 0", (sha256,)) if sha256 else []
        return _paper(rows[0]) if rows else None

    def contents(self) -> dict[str, str]:
        """Return the content ids of the papers of the knowledge base."""
        return {r["id"]: r["content"] for r in self._store.rows("SELECT id, content FROM papers WHERE builtin = 1")}

    def passages(self, paper: str) -> list[Passage]:
        """Return the passages of a paper in order."""
        return [
            _passage(r) for r in self._store.rows("SELECT * FROM passages WHERE paper = ? ORDER BY number", (paper,))
        ]

    def found(self, ids: Sequence[int]) -> dict[int, tuple[Passage, str]]:
        """Return passages and the titles of their papers by row number; those that are no more are left out."""
        marks = ", ".join("?" * len(ids))
        rows = self._store.rows(
            f"SELECT s.*, p.title AS title FROM passages s JOIN papers p ON p.id = s.paper WHERE s.id IN ({marks})",
            list(ids),
        )
        return {row["id"]: (_passage(row), row["title"]) for row in rows}

    def words(self, query: str, count: int, *, papers: Sequence[str] | None, kinds: Sequence[str] | None) -> list[int]:
        """Return the row numbers of the passages that an FTS5 query finds, best bm25 first."""
        sql, values = "SELECT f.rowid AS id FROM passages_fts f", [query]
        where = " WHERE passages_fts MATCH ?"
        if papers is not None or kinds is not None:
            sql += " JOIN passages s ON s.id = f.rowid"
            for column, wanted in (("paper", papers), ("kind", kinds)):
                if wanted is not None:
                    where += f" AND s.{column} IN (SELECT value FROM json_each(?))"
                    values.append(json.dumps(list(wanted)))
        rows = self._store.rows(f"{sql}{where} ORDER BY f.rank LIMIT {int(count)}", values)
        return [row["id"] for row in rows]

    # -- vectors -------------------------------------------------------------------------------------------------------

    def without_vector(self, count: int) -> list[tuple[int, str, Passage]]:
        """Return some passages that have no vector: row number, title of the paper, passage."""
        rows = self._store.rows(
            "SELECT s.*, p.title AS title FROM passages s JOIN papers p ON p.id = s.paper"
            " WHERE p.indexed = 0 AND s.id NOT IN (SELECT passage FROM passage_vectors) ORDER BY s.id LIMIT ?",
            (count,),
        )
        return [(row["id"], row["title"], _passage(row)) for row in rows]

    def keep_vectors(self, ids: Iterable[int], vectors: Vectors) -> None:
        """Keep the vectors of passages; of passages that are no more, nothing is kept."""
        with self._store.write() as db:
            db.conn.executemany(
                "INSERT OR REPLACE INTO passage_vectors SELECT id, ? FROM passages WHERE id = ?",
                [(row.astype("<f4").tobytes(), item) for item, row in zip(ids, vectors, strict=True)],
            )

    def unindexed(self, count: int) -> list[str]:
        """Return the ids of some papers whose passages all have vectors that the index does not hold yet."""
        rows = self._store.rows(
            "SELECT id FROM papers p WHERE indexed = 0 AND NOT EXISTS (SELECT 1 FROM passages s WHERE s.paper = p.id"
            " AND s.id NOT IN (SELECT passage FROM passage_vectors)) ORDER BY rowid LIMIT ?",
            (count,),
        )
        return [row["id"] for row in rows]

    def vectors_of(self, papers: Sequence[str]) -> tuple[list[int], Vectors, list[str], list[str]]:
        """Return row numbers, vectors `(n, dimension)`, papers and kinds of all passages of papers."""
        return self._vectors("s.paper IN (SELECT value FROM json_each(?))", list(papers))

    def vectors_at(self, ids: Sequence[int]) -> tuple[list[int], Vectors, list[str], list[str]]:
        """Return the same of passages by row number."""
        return self._vectors("s.id IN (SELECT value FROM json_each(?))", list(ids))

    def _vectors(self, where: str, values: list[Any]) -> tuple[list[int], Vectors, list[str], list[str]]:
        rows = self._store.rows(
            "SELECT s.id, s.paper, s.kind, v.vector FROM passages s JOIN passage_vectors v ON v.passage = s.id"
            f" WHERE {where} ORDER BY s.id",
            (json.dumps(values),),
        )
        vectors = np.stack([np.frombuffer(row["vector"], dtype="<f4") for row in rows]) if rows else np.zeros((0, 0))
        unit: Vectors = vectors.astype(np.float32)
        return [r["id"] for r in rows], unit, [r["paper"] for r in rows], [r["kind"] for r in rows]

    def mark_indexed(self, papers: Sequence[str]) -> None:
        """Note that the index holds the passages of papers."""
        with self._store.write() as db:
            db.conn.executemany("UPDATE papers SET indexed = 1 WHERE id = ?", [(paper,) for paper in papers])

    def indexed_ids(self) -> set[int]:
        """Return the row numbers of the passages that the index should hold."""
        rows = self._store.rows("SELECT s.id FROM passages s JOIN papers p ON p.id = s.paper WHERE p.indexed = 1")
        return {row["id"] for row in rows}

    def indexed_count(self) -> int:
        """Return how many passages the index should hold."""
        (row,) = self._store.rows(
            "SELECT count(*) AS n FROM passages s JOIN papers p ON p.id = s.paper WHERE p.indexed = 1"
        )
        return int(row["n"])

    def removed(self) -> list[int]:
        """Return the row numbers that the index may still hold and should not."""
        return [row["passage"] for row in self._store.rows("SELECT passage FROM passages_removed")]

    def forget_removed(self, ids: Sequence[int]) -> None:
        """Note that the index does not hold them any more."""
        with self._store.write() as db:
            db.conn.executemany("DELETE FROM passages_removed WHERE passage = ?", [(item,) for item in ids])

    # -- state of the index --------------------------------------------------------------------------------------------

    def index(self) -> IndexState | None:
        """Return the state of the vector index, or None if there never was one."""
        rows = self._store.rows("SELECT embedder, dimension, build, changes, writing, files FROM passage_index")
        return IndexState(**{**rows[0], "files": json.loads(rows[0]["files"])}) if rows else None

    def begin_index(self, embedder: str, dimension: int, build: str, *, forget_vectors: bool) -> None:
        """Begin a new index: from now on it holds nothing."""
        with self._store.write() as db:
            if forget_vectors:
                db.conn.execute("DELETE FROM passage_vectors")
            db.conn.execute("UPDATE papers SET indexed = 0")
            db.conn.execute("DELETE FROM passages_removed")
            db.conn.execute(
                "INSERT INTO passage_index (id, embedder, dimension, build, changes) VALUES (1, ?, ?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET embedder = excluded.embedder, dimension = excluded.dimension,"
                " build = excluded.build, changes = changes + 1, writing = 0, files = '{}'",
                (embedder, dimension, build),
            )

    def begin_change(self, time_ns: int) -> None:
        """Note that a change of the index begins."""
        with self._store.write() as db:
            db.conn.execute("UPDATE passage_index SET writing = ?", (time_ns,))

    def end_change(self, files: dict[str, int]) -> None:
        """Note that it is finished."""
        with self._store.write() as db:
            db.conn.execute(
                "UPDATE passage_index SET writing = 0, changes = changes + 1, files = ?", (canonical_json(files),)
            )


def _paper(row: Any) -> Paper:
    values = {name: row[name] for name in Paper.__dataclass_fields__}
    return Paper(**{**values, "authors": tuple(json.loads(row["authors"])), "withdrawn": bool(row["withdrawn"])})


def _passage(row: Any) -> Passage:
    return Passage(**{name: row[name] for name in Passage.__dataclass_fields__})
