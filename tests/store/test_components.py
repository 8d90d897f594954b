"""Added components in the store: versions, the catalogue of a study, and a workspace of an older schema."""

import json
import sqlite3

import pytest
from sqlite_utils import Database

from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.components.rule import ParameterRule
from neuramosaic.components.spec import Provenance
from neuramosaic.errors import NotFoundError, StoreError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE, study_catalogue, workspace_catalogue
from neuramosaic.store.migrations import LATEST, migrations
from neuramosaic.store.records import ComponentRecord
from neuramosaic.store.store import Store

CHECKS = ({"name": "contract", "passed": True, "message": "", "seconds": 0.1},)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path) as store:
        yield store


def add(store, version, source="raise SystemExit('executed')\n", name="mine", **fields):
    card = Card(name=name, slot="mixer", summary=f"version {version}", cost="linear")
    commit = CodeRepository(store.path.parent / "code").commit(
        f"mixer/{name}/{version}", {SOURCE: source, CARD: card.to_yaml()}, name, namespace="components"
    )
    rule = ParameterRule((), ((),), (((10, 1, 0),),)).to_json()
    return store.add_component(
        ComponentRecord("mixer", name, version, "Mine", True, rule, CHECKS, commit, origin="mine.py", **fields)
    )


def study(store):
    added = [{"slot": item.slot, "name": item.name, "version": item.version} for item in store.components()]
    return store.create_study("text", {}, {}, "sha256:0", added)


def test_a_component_comes_back_as_it_was_added_and_its_code_does_not_run(store):
    record = add(store, "aaa")
    assert store.components() == [record]
    assert (record.rule["quadratics"], record.checks, record.origin) == ([[[10, 1, 0]]], CHECKS, "mine.py")
    spec = workspace_catalogue(store).get("mixer", "mine")
    assert (spec.provenance, spec.class_name, spec.uses_position) == (Provenance.OWN, "Mine", True)
    assert spec.counts.count(20, {}) == 14
    assert "executed" in spec.source


def test_who_made_a_component_is_known(store):
    add(store, "aaa", provenance="designed", writing="c3")
    assert workspace_catalogue(store).get("mixer", "mine").provenance is Provenance.DESIGNED
    assert store.component("mixer", "mine", "aaa").writing == "c3"


def test_no_component_of_a_workspace_passes_for_the_catalogues_own(store):
    add(store, "aaa", provenance="catalogue")  # whose code is counted on the host
    with pytest.raises(StoreError, match="mixer 'mine' of the workspace cannot be one of the catalogue's own"):
        workspace_catalogue(store)


def test_a_study_keeps_the_versions_that_it_was_made_with(store):
    before = study(store)
    add(store, "aaa")
    first = study(store)
    add(store, "bbb")
    add(store, "ccc", name="other")
    second = study(store)
    assert [spec.name for spec in study_catalogue(store, store.study(before.id)).specs] == [
        spec.name for spec in catalogue().specs
    ]
    assert study_catalogue(store, store.study(first.id)).get("mixer", "mine").summary == "version aaa"
    assert study_catalogue(store, store.study(second.id)).get("mixer", "mine").summary == "version bbb"
    assert [item["name"] for item in store.study(second.id).components] == ["mine", "other"]


def test_adding_a_version_again_makes_it_the_newest(store):
    first = add(store, "aaa", provenance="designed", writing="c0")
    add(store, "bbb")
    assert add(store, "aaa") == first
    assert store.components() == [first]
    assert store.component("mixer", "mine", "bbb").version == "bbb"
    with pytest.raises(NotFoundError, match="no version ddd of mixer 'mine'"):
        store.component("mixer", "mine", "ddd")


def test_a_workspace_without_components_gets_no_repository(store):
    workspace_catalogue(store)
    assert not (store.path.parent / "code").exists()


def test_a_workspace_of_the_first_schema_is_brought_up_to_date(tmp_path):
    raw = sqlite3.connect(tmp_path / "neuramosaic.db")
    db = Database(raw)
    migrations.apply(db, stop_before="0003_components")
    db["studies"].insert(
        {
            "id": "text-1", "state": "STOPPED", "config": "{}", "task": "{}", "space_version": "sha256:0",
            "created": "2026-01-01", "updated": "2026-01-01", "message": "",
        }
    )  # fmt: skip
    db.execute("PRAGMA user_version = 1")
    raw.commit()
    raw.close()
    with Store.open(tmp_path) as store:
        assert store.study("text-1").components == ()
        assert add(store, "aaa").version == "aaa"
        assert json.dumps([study(store).components]) == '[[{"name": "mine", "slot": "mixer", "version": "aaa"}]]'
    with sqlite3.connect(tmp_path / "neuramosaic.db") as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (LATEST,)
    raw.close()
