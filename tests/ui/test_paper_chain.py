"""The two ends of a component's history: the paper that it comes from, and what its trials show."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from neuramosaic.components.card import Card
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import ComponentRecord, TrialOutcome, TrialState, WritingRecord
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from ui.paper_chain import paper_facts, paper_of, print_paper, print_trials, trials_json

RECORD = ComponentRecord("mixer", "min_gru", "abc123abc123", "MinGru", False, {}, (), "c0ffee", "a test")
CARD = Card.from_mapping({"name": "min_gru", "slot": "mixer", "summary": "A unit"})
PROPOSAL = {
    "paper": "1709.02755",
    "title": "Units [bold]for[/bold] \x1b[31mrecurrence",
    "relation": "variant",
    "evidence": {"equations[0]": {"page": 2, "passage": "1709.02755#3", "quote": "ct = [red]ft[/red] \x1b[0m"}},
    "nearest": [],
    "reasons": ["nearest known: mixer ssm"],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "ws") as opened:
        yield opened


def written(store: Store, source: str = "paper") -> WritingRecord:
    return Writings(store).add(CARD, source=source, proposal=PROPOSAL)


def printed(run: object, *arguments: object) -> str:
    text = io.StringIO()
    run(*arguments, Console(file=text, width=200, force_terminal=False))  # type: ignore[operator]
    return text.getvalue()


def trials(store: Store, losses: dict[bool, list[float]]) -> str:
    """Add a study whose trials with and without the component have these losses."""
    space, rng = ArchitectureSpace.default(), np.random.default_rng(0)
    item = {"slot": "mixer", "name": "min_gru", "version": RECORD.version}
    study = store.create_study("recall", {}, {"unit": "nats per token"}, space.version, [item]).id
    left, number, seen = {key: list(values) for key, values in losses.items()}, 0, set()
    while any(left.values()):
        design = space.sample(rng)
        has = "mixer:min_gru" in {f"mixer:{block.mixer.name}" for block in design.blocks}
        if design.id in seen or not left[has]:
            continue
        seen.add(design.id)
        trial = store.add_trial(
            study, number, design, source="random", params=1, seed=0, rung=0, fidelity_tokens=2048, corpus="c",
            asked=number,
        )  # fmt: skip
        store.start_trial(trial.id)
        store.tell(trial.id, TrialOutcome(TrialState.COMPLETE, {"val_loss": left[has].pop()}, seconds=1.0))
        number += 1
    return study


def test_the_paper_is_named_with_its_passages_as_plain_text(store: Store) -> None:
    writing = written(store)
    shown = printed(print_paper, store, writing)
    assert "paper 1709.02755  Units [bold]for[/bold] recurrence" in shown
    assert "equations[0]: page 2, passage 1709.02755#3: “ct = [red]ft[/red]”" in shown
    assert "relation to what was known: variant" in shown
    assert "\x1b" not in shown
    assert paper_of(writing) == "1709.02755"
    facts = paper_facts(store, writing)
    assert facts is not None
    assert facts["evidence"]["equations[0]"]["page"] == 2


def test_what_comes_from_no_paper_names_none(store: Store) -> None:
    writing = written(store, "idea")
    assert (paper_of(writing), paper_of(None), paper_facts(store, writing)) == (None, None, None)
    assert printed(print_paper, store, writing) == ""


def test_its_trials_and_its_effect_on_the_loss_are_told(store: Store) -> None:
    assert trials_json(store, RECORD) == []
    assert "none yet: neuramosaic component try min_gru" in printed(print_trials, store, RECORD)
    study = trials(store, {True: [1.0, 1.1, 1.2], False: [2.0, 2.1, 2.2]})
    (told,) = trials_json(store, RECORD)
    assert told["study"] == study
    assert sorted(trial["val_loss"] for trial in told["trials"]) == [1.0, 1.1, 1.2]
    assert told["effect"]["difference"] == pytest.approx(-1.0)
    low, high = told["effect"]["interval"]
    assert low <= -1.0 <= high < 0
    assert (told["effect"]["with"], told["effect"]["without"], told["comparison"]) == (3, 3, None)
    shown = printed(print_trials, store, RECORD)
    assert f"study {study}: -1.0000 [" in shown
    assert "3 trials with it, 3 without" in shown


def test_too_few_trials_have_no_effect_and_another_version_has_none_of_them(store: Store) -> None:
    trials(store, {True: [1.0], False: [2.0, 2.1, 2.2]})
    (told,) = trials_json(store, RECORD)
    assert told["effect"] is None
    assert "too few trials for an effect" in printed(print_trials, store, RECORD)
    other = ComponentRecord("mixer", "min_gru", "another00000", "MinGru", False, {}, (), "c0ffee", "a test")
    assert trials_json(store, other) == []
