"""The schema, as numbered steps. Each step and the record that it ran share one transaction.

A released step is never edited: a change of the schema is a new step.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("neuramosaic")


@migrations(name="0001_first")
def _first(db: Database) -> None:
    db.table("studies").create(
        {
            "id": str,
            "state": str,
            "config": str,
            "task": str,
            "space_version": str,
            "created": str,
            "updated": str,
            "pid": int,
            "message": str,
        },
        pk="id",
        not_null={"state", "config", "task", "space_version", "created", "updated"},
    )
    db.table("trials").create(
        {
            "id": str,
            "study": str,
            "number": int,
            "state": str,
            "architecture": str,
            "architecture_id": str,
            "source": str,
            "label": str,
            "components": str,
            "params": int,
            "seed": int,
            "rung": int,
            "fidelity_tokens": int,
            "parent": str,
            "corpus": str,
            "commit": str,
            "created": str,
            "started": str,
            "finished": str,
            "attempts": int,
            "asked": int,
            "finish_order": int,
            "val_loss": float,
            "outcome": str,
        },
        pk="id",
        not_null={"study", "number", "state", "architecture", "architecture_id", "source", "seed", "fidelity_tokens"},
        foreign_keys=[("study", "studies", "id")],
    )
    db.table("trials").create_index(["study", "number"], unique=True)
    db.table("trials").create_index(["study", "state"])
    db.table("curves").create(
        {"trial": str, "attempt": int, "tokens": int, "row": str},
        pk=("trial", "attempt", "tokens"),
        foreign_keys=[("trial", "trials", "id")],
    )
    db.table("events").create(
        {
            "id": int,
            "study": str,
            "time": str,
            "agent": str,
            "kind": str,
            "message": str,
            "trial": str,
            "data": str,
        },
        pk="id",
    )
    db.table("events").create_index(["study", "id"])
    db.table("commands").create(
        {"id": int, "study": str, "kind": str, "payload": str, "created": str, "finished": str},
        pk="id",
    )
    db.table("commands").create_index(["study", "finished"])
    # Finished trials never change: the database itself refuses, whoever writes.
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"""
            CREATE TRIGGER finished_trials_never_{verb.lower()} BEFORE {verb} ON trials
            WHEN OLD.state IN ('COMPLETE', 'PRUNED', 'FAILED')
            BEGIN SELECT RAISE(ABORT, 'finished trials never change'); END
            """
        )


@migrations(name="0002_calls")
def _calls(db: Database) -> None:
    db.table("calls").create(
        {
            "id": int,
            "request": str,
            "attempt": int,
            "study": str,
            "trial": str,
            "purpose": str,
            "provider": str,
            "model": str,
            "prompt": str,
            "prompt_version": str,
            "messages": str,
            "parameters": str,
            "outcome": str,
            "answer": str,
            "message": str,
            "tokens_in": int,
            "tokens_out": int,
            "latency_s": float,
            "cost_usd": float,
            "prices": str,
            "counted_tokens": int,
            "counted_usd": float,
            "created": str,
        },
        pk="id",
        not_null={
            "request",
            "attempt",
            "purpose",
            "provider",
            "model",
            "prompt",
            "prompt_version",
            "messages",
            "parameters",
            "outcome",
            "latency_s",
            "counted_tokens",
            "created",
        },
        foreign_keys=[("study", "studies", "id"), ("trial", "trials", "id")],
    )
    db.table("calls").create_index(["study", "request", "attempt"])
    _never_change_calls(db)


def _never_change_calls(db: Database) -> None:
    """Let nothing rewrite what was paid for."""
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"""
            CREATE TRIGGER calls_never_{verb.lower()} BEFORE {verb} ON calls
            BEGIN SELECT RAISE(ABORT, 'recorded calls never change'); END
            """
        )


@migrations(name="0003_components")
def _components(db: Database) -> None:
    db.table("components").create(
        {
            "id": int,
            "slot": str,
            "name": str,
            "version": str,
            "class_name": str,
            "uses_position": int,
            "rule": str,
            "checks": str,
            "commit": str,
            "origin": str,
            "created": str,
        },
        pk="id",
        not_null={"slot", "name", "version", "class_name", "uses_position", "rule", "checks", "commit", "created"},
    )
    db.table("components").create_index(["slot", "name", "version"], unique=True)
    # Studies made before had the components of the catalogue alone.
    db.table("studies").add_column("components", str, not_null_default="[]")


@migrations(name="0004_writings")
def _writings(db: Database) -> None:
    db.table("writings").create(
        {
            "id": str,
            "study": str,
            "number": int,
            "after": int,
            "source": str,
            "card": str,
            "card_id": str,
            "slot": str,
            "name": str,
            "proposal": str,
            "state": str,
            "model": str,
            "prompts": str,
            "depth": str,
            "version": str,
            "commit": str,
            "attempts": int,
            "tokens": int,
            "seconds": float,
            "failures": str,
            "created": str,
            "finished": str,
        },
        pk="id",
        not_null={"source", "card", "card_id", "slot", "name", "state", "created"},
        foreign_keys=[("study", "studies", "id")],
    )
    db.table("writings").create_index(["study", "number"])
    db.table("writings").create_index(["card_id"])
    # Which version of its study's space a trial was proposed in, after how many finished trials, and what its proposer
    # said of it.
    trials = db.table("trials")
    trials.add_column("space_version", str, not_null_default="")
    trials.add_column("after", int, not_null_default=0)
    trials.add_column("proposal", str, not_null_default="{}")
    components = db.table("components")
    components.add_column("provenance", str, not_null_default="own")
    components.add_column("writing", str)


@migrations(name="0005_calls_before_trials")
def _calls_before_trials(db: Database) -> None:
    # A call is made for a trial before there is that trial, and for a writing: `trial` names it, and refers to no row.
    db.table("calls").transform(drop_foreign_keys=("trial",))
    _never_change_calls(db)


@migrations(name="0006_papers")
def _papers(db: Database) -> None:
    db.table("papers").create(
        {
            "id": str,
            "title": str,
            "authors": str,
            "abstract": str,
            "arxiv_id": str,
            "version": int,
            "published": str,
            "origin": str,
            "sha256": str,
            "pages": int,
            "withdrawn": int,
            "content": str,
            "builtin": int,
            "replaced": int,
            "indexed": int,
            "added": str,
        },
        pk="id",
        not_null={"title", "authors", "sha256", "pages", "content", "builtin", "indexed", "added"},
    )
    db.table("papers").create_index(["sha256"])
    # AUTOINCREMENT: the number of a passage that was removed is never given again, so that whatever the vector index
    # still holds under it can be told from a passage of today.
    db.execute(
        """
        CREATE TABLE passages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            paper TEXT NOT NULL REFERENCES papers (id),
            number INTEGER NOT NULL,
            section TEXT NOT NULL,
            page INTEGER NOT NULL,
            text TEXT NOT NULL,
            kind TEXT NOT NULL,
            UNIQUE (paper, number)
        )
        """
    )
    # Vectors are dear to compute: kept here, the index can be made anew without the model.
    db.execute(
        """
        CREATE TABLE passage_vectors (
            passage INTEGER PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
            vector BLOB NOT NULL
        )
        """
    )
    db.execute("CREATE TABLE passages_removed (passage INTEGER PRIMARY KEY)")
    # A paper's title belongs to the words of each of its passages. It changes only while the paper has none.
    db.execute(
        """
        CREATE VIEW passage_words AS
        SELECT s.id AS id, p.title AS title, s.section AS section, s.text AS text
        FROM passages s JOIN papers p ON p.id = s.paper
        """
    )
    db.execute(
        """
        CREATE VIRTUAL TABLE passages_fts USING fts5 (
            title, section, text, content='passage_words', content_rowid='id', tokenize='porter unicode61'
        )
        """
    )
    db.execute(
        """
        CREATE TRIGGER passages_fts_insert AFTER INSERT ON passages BEGIN
        INSERT INTO passages_fts (rowid, title, section, text)
        SELECT id, title, section, text FROM passage_words WHERE id = NEW.id; END
        """
    )
    db.execute(
        """
        CREATE TRIGGER passages_fts_delete AFTER DELETE ON passages BEGIN
        INSERT INTO passages_fts (passages_fts, rowid, title, section, text)
        SELECT 'delete', OLD.id, title, OLD.section, OLD.text FROM papers WHERE id = OLD.paper; END
        """
    )
    for table, columns in (("passages", "paper, number, section, text"), ("papers", "title")):
        condition = "WHEN EXISTS (SELECT 1 FROM passages WHERE paper = OLD.id)" if table == "papers" else ""
        condition += " AND NEW.title IS NOT OLD.title" if table == "papers" else ""
        db.execute(
            f"""
            CREATE TRIGGER {table}_with_words_never_update BEFORE UPDATE OF {columns} ON {table} {condition}
            BEGIN SELECT RAISE(ABORT, 'passages are removed and added, never changed'); END
            """
        )
    # One row: what the vector index is made with, and how often it changed.
    db.execute(
        """
        CREATE TABLE passage_index (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            embedder TEXT NOT NULL,
            dimension INTEGER NOT NULL,
            build TEXT NOT NULL,
            changes INTEGER NOT NULL DEFAULT 0,
            writing INTEGER NOT NULL DEFAULT 0,
            files TEXT NOT NULL DEFAULT '{}'
        )
        """
    )


#: Schema version of this code: the number of its last step.
LATEST = 6
