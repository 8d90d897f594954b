"""The built-in ideas: well-formed, honest about the catalogue, found by what is observed, and part of the wheel."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from knowledge.ideas import Idea, IdeaError, WordIndex, as_papers, ideas, read_ideas
from neuramosaic.components.card import Card
from neuramosaic.components.catalogue import built_in
from neuramosaic.components.spec import Slot

GOOD = """
- name: leaky_mean
  title: On Leaks
  arxiv: '2401.00001'
  year: 2024
  slot: mixer
  changes: A leaky mean of the past.
  equations: [h_t = a * h_(t-1) + (1 - a) * x_t]
  helps: [slow per token]
  costs: Forgets.
  insight: The past is summed up.
  background: As old as filters.
  component: null
"""


def test_there_are_many_in_every_slot_with_names_of_their_own() -> None:
    known = ideas()
    assert len(known) >= 60
    assert len({idea.name for idea in known}) == len(known)
    assert {idea.slot for idea in known} == {*Slot, None}
    assert ideas() is known


@pytest.mark.parametrize("idea", ideas(), ids=lambda idea: idea.name)
def test_each_is_well_formed(idea: Idea) -> None:
    if idea.arxiv is None:
        assert idea.source
    else:
        assert re.fullmatch(r"\d{2}(0[1-9]|1[0-2])\.\d{4,5}", idea.arxiv)
        assert abs(2000 + int(idea.arxiv[:2]) - idea.year) <= 1
        assert len(idea.arxiv) == (10 if idea.arxiv[:4] >= "1501" else 9)
    assert all(equation.strip() for equation in idea.equations)
    card = Card(
        name=idea.name,
        slot=idea.slot or Slot.MIXER,
        summary=idea.words,
        equations=list(idea.equations),
        paper=idea.arxiv,
    )
    assert card.equations == list(idea.equations)


def test_what_the_catalogue_is_said_to_have_it_has_and_each_of_its_components_goes_back_to_an_idea() -> None:
    specs = {(spec.slot, spec.name): spec for spec in built_in()}
    had = [idea.component for idea in ideas() if idea.component is not None]
    for component in had:
        specs[component.slot, component.name].check(dict(component.settings))
    assert {(component.slot, component.name) for component in had} == set(specs)
    assert sum(idea.component is None for idea in ideas()) >= 30  # what a study may still invent


def test_one_paper_has_one_title_and_the_catalogues_papers_are_known() -> None:
    titles: dict[str, set[str]] = {}
    for idea in ideas():
        if idea.arxiv is not None:
            titles.setdefault(idea.arxiv, set()).add(idea.title)
    assert {arxiv: names for arxiv, names in titles.items() if len(names) > 1} == {}
    assert {spec.paper for spec in built_in()} <= set(titles)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("loss on recall stays high", "delta_rule"),
        ("training diverges at high learning rate", "query_key_normalisation"),
        ("overfits small data", "dropout"),
        ("slow per token, runs out of memory with length", "multi_query_attention"),
        ("experts are unused", "switch_routing"),
        ("loss gets worse beyond the trained length", "linear_biases"),
        ("steps of an algorithm must be repeated", "universal_transformer"),
        ("the state forgets with a decay for each channel of the keys", "kimi_delta_attention"),
    ],
)
def test_ideas_are_found_by_what_is_observed(observed: str, expected: str) -> None:
    hits = WordIndex(as_papers(ideas()))(observed, 24)
    assert f"idea-{expected}" in {hit.passage.paper for hit in hits}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_words_that_stand_nowhere_find_nothing_and_an_empty_index_holds_nothing() -> None:
    assert WordIndex(as_papers(ideas()))("zebra quagga", 5) == []
    assert WordIndex([])("attention", 5) == []


def test_as_papers_they_meet_no_paper_that_is_ingested() -> None:
    papers = as_papers(ideas())
    assert len({paper.id for paper, _ in papers}) == len(papers)
    for idea, (paper, passages) in zip(ideas(), papers, strict=True):
        assert (paper.id, paper.arxiv_id, paper.title) == (f"idea-{idea.name}", idea.arxiv, idea.title)
        assert [passage.number for passage in passages] == list(range(len(passages)))
        assert {passage.page for passage in passages} == {1}
        assert any(symptom in passage.text for passage in passages for symptom in idea.helps)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("slot: mixer", "slot: mixr", "leaky_mean: slot"),
        ("year: 2024", "year: soon", "leaky_mean: year"),
        ("arxiv: '2401.00001'", "arxiv: 2401.00001", "leaky_mean: arxiv"),
        ("arxiv: '2401.00001'", "arxiv: null", "either an arXiv id, or"),
        ("helps: [slow per token]", "helps: []", "leaky_mean: helps"),
        ("equations: [h_t = a * h_(t-1) + (1 - a) * x_t]", "equations: []", "leaky_mean: equations"),
        ("component: null", "component: {name: attention, slot: mixer}", "component.slot"),
        ("component: null", "component: null\n  colour: red", "leaky_mean: colour"),
        ("  costs: Forgets.\n", "", "leaky_mean: costs"),
        ("- name: leaky_mean", "name: leaky_mean", "not valid YAML|expected a list"),
    ],
)
def test_a_file_that_is_wrong_says_where(old: str, new: str, said: str) -> None:
    assert read_ideas(GOOD, "some.yaml")[0].reference == "arXiv 2401.00001"
    with pytest.raises(IdeaError, match=said) as error:
        read_ideas(GOOD.replace(old, new), "some.yaml")
    assert str(error.value).startswith("some.yaml")
    assert "\n" not in str(error.value)


def test_the_files_are_in_the_package_that_the_wheel_holds() -> None:
    names = {file.name for file in resources.files("knowledge.ideas").iterdir() if file.name.endswith(".yaml")}
    assert {"attention.yaml", "recurrence.yaml", "training.yaml"} <= names
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "knowledge" in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
