"""The writings of a workspace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from neuramosaic.components.card import Card
from neuramosaic.errors import NotFoundError, StoreError
from neuramosaic.store.records import WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings

CARD = Card.from_mapping({"name": "shift", "slot": "mixer", "summary": "The token before"})


@pytest.fixture
def writings(tmp_path):
    with Store.open(tmp_path) as store:
        yield Writings(store)


def test_a_writing_is_added_once_and_numbered(writings):
    first = writings.add(CARD, source="person")
    assert (first.id, first.number, first.state) == ("c0", 0, WritingState.OPEN)
    assert writings.add(CARD, source="person", number=0) == first
    assert writings.add(CARD, source="person").id == "c1"
    with pytest.raises(StoreError, match="another card"):
        writings.add(CARD.model_copy(update={"name": "other"}), source="person", number=0)


def test_what_failed_is_found_again_for_the_same_model_and_prompts_only(writings):
    writing = writings.add(CARD, source="person")
    failures = ({"check": "causal", "message": "sees the future"},)
    told = writings.finish(
        replace(writing, state=WritingState.FAILED, model="m", prompts={"write": "1+a"}, failures=failures)
    )
    assert told.finished is not None
    assert told.failures == failures
    assert writings.failed(CARD, "m", {"write": "1+a"}) == told
    assert writings.failed(CARD, "m", {"write": "2+b"}) is None
    assert writings.failed(CARD, "other", {"write": "1+a"}) is None


def test_a_finished_writing_never_changes(writings):
    writing = writings.finish(replace(writings.add(CARD, source="person"), state=WritingState.VERIFIED))
    with pytest.raises(StoreError, match="finished once"):
        writings.finish(writing)


def test_a_writing_that_does_not_exist(writings):
    with pytest.raises(NotFoundError, match="no writing 'c9'"):
        writings.get("c9")
