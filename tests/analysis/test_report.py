import html.parser
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neuramosaic.analysis.report import write_report
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.store.records import StudyRecord, TrialRecord, TrialState


class Page(html.parser.HTMLParser):
    """What a browser would see: tags, what they load, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self._silent = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._silent += tag in ("script", "style")
        for name, value in attrs:
            if name in ("src", "href", "data", "action") and value:
                self.loads.append(value)
            if name == "id" and value:
                self.ids.append(value)

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def write(tmp_path: Path, study: StudyRecord, space: ArchitectureSpace, curves: Any) -> Any:
    def written(trials: list[TrialRecord], **options: Any) -> str:
        record = options.pop("study", study)
        rows = {trial.id: curves.get(trial.id.split("<")[0], []) for trial in trials}
        path = write_report(record, trials, rows, space, tmp_path / "deep" / "report.html", **options)
        assert [item.name for item in path.parent.iterdir()] == ["report.html"]
        return path.read_text(encoding="utf-8")

    return written


def test_a_full_report_says_everything_and_loads_nothing(write: Any, trials: list[TrialRecord]) -> None:
    text = write(trials, source_of=lambda trial: f"# model of {trial.id}\nif 1 < 2: pass")
    page = Page(text)
    assert page.loads == []
    assert text.count("plotly.js v") == 1
    assert {"figure-best-so-far", "figure-loss-curves", "figure-projection", "figure-cost"} <= set(page.ids)
    assert "Lower loss than the baseline at rung 1, 3,000,000 tokens" in page.text
    assert "One seed, not a finding until validated" in page.text
    best = min((t for t in trials if t.rung == 1), key=lambda t: t.val_loss or 0)
    assert f"{best.val_loss:.4f}" in page.text
    assert f"{best.val_loss - 1.8:+.4f}" in page.text
    assert f"# model of {best.id} if 1 < 2: pass" in page.text
    assert f"neuramosaic reproduce {best.id}" in page.text
    assert "diverged at step 12" in page.text
    for fact in ("python-code", "sha256:" + "cd" * 32, "2.9.0", "Example CPU, 2 cores", "bubblewrap", "1234"):
        assert fact in page.text


def test_the_leaderboard_lists_each_architecture_once(write: Any, trials: list[TrialRecord]) -> None:
    text = write(trials)
    table = text.split('id="leaderboard"')[1].split("</section>")[0]
    assert table.count("<tr") == 1 + 16  # a heading, and 18 architectures of which 2 failed
    assert table.count('class="baseline"') == 1


def test_the_models_source_is_generated_where_none_is_given(write: Any, trials: list[TrialRecord]) -> None:
    assert "class Model(nn.Module)" in Page(write(trials)).text


def test_a_worse_best_is_not_praised(write: Any, trial: Any, architectures: Any) -> None:
    trials = [trial(0, architectures[0], 2.0, source="baseline"), trial(1, architectures[1], 2.2)]
    page = Page(write(trials))
    assert "Nothing has beaten the baseline" in page.text
    assert "Lower loss" not in page.text
    assert "+0.2000" in page.text


def test_without_a_baseline_nothing_is_claimed(write: Any, trial: Any, architectures: Any) -> None:
    page = Page(write([trial(1, architectures[1], 2.2)]))
    assert "nothing can be said about better or worse" in page.text
    assert "Best so far: python-code-1.1, 2.2000 nats per byte" in page.text


def test_an_empty_study_has_a_sensible_page(write: Any) -> None:
    page = Page(write([]))
    assert "No trial has finished yet" in page.text
    assert "neuramosaic resume python-code-1" in page.text
    assert "sha256:" + "cd" * 32 in page.text


@pytest.mark.parametrize("count", [1, 3])
def test_a_study_of_failures_lists_the_reasons(write: Any, trial: Any, architectures: Any, count: int) -> None:
    trials = [trial(n, architectures[n], None, reason=f"out of memory {n}") for n in range(count)]
    page = Page(write([*trials, trial(8, architectures[8], None, state=TrialState.RUNNING)]))
    assert f"No trial has completed: {count} failed" in page.text
    for number in range(count):
        assert f"out of memory {number}" in page.text


def test_hostile_text_is_escaped_everywhere(write: Any, trials: list[TrialRecord], study: StudyRecord) -> None:
    evil = "<b></script><img src=x onerror=alert(1)>{{ 7*7 }}"
    hostile = [
        replace(
            trial,
            id=f"{trial.id}{evil}",
            label=evil,
            source=trial.source if trial.source == "baseline" else evil,
            components=(f"mixer:{evil}", "norm:rms_norm"),
            corpus=evil,
            outcome=replace(trial.outcome, reason=evil if trial.val_loss is None else "", environment={evil: evil}),
        )
        for trial in trials
        if trial.outcome
    ]
    bad_study = replace(study, config={"task": evil, "seed": evil}, message=evil, task={"unit": evil, "corpus": evil})
    # Without effects, of which the hostile components have none either.
    harmless = Page(write([replace(trial, components=("mixer:x", "norm:rms_norm")) for trial in trials]))
    page = Page(write(hostile, study=bad_study, source_of=lambda trial: evil))
    assert "img" not in page.tags
    assert page.tags.count("script") == harmless.tags.count("script")
    assert page.loads == []
    assert "{{ 7*7 }}" in page.text
    assert "49" not in page.text.split("How to reproduce")[1].split("Facts")[0]


def test_an_older_report_is_replaced(write: Any, trials: list[TrialRecord]) -> None:
    assert "No trial has finished yet" in write([])
    assert "No trial has finished yet" not in write(trials)


def test_a_comparison_is_reported_pair_by_pair(write: Any, trial: Any, architectures: list[Architecture]) -> None:
    losses = [[2.0, 1.97], [2.1, 2.066], [2.05, 2.021], [2.2, None]]
    trials = [
        trial(2 * seed + changed, architectures[changed], loss, source=("baseline", "comparison")[changed], seed=seed)
        for seed, pair in enumerate(losses)
        for changed, loss in enumerate(pair)
    ]
    page = Page(write(trials))
    assert "Lower loss than the baseline at rung 0" in page.text
    assert "0.0310 nats per byte below the baseline, 95 % interval 0.0244 to 0.0376, 3 seeds" in page.text
    assert "Seed 3 is left out: the model with the component is FAILED: diverged at step 12." in page.text
    assert "pairs" in page.ids
    assert "was picked" not in page.text
    assert "searched" not in page.text


def test_sources_and_predictions_are_shown_where_there_are_any(write: Any, trials: list[TrialRecord]) -> None:
    assert not {"sources", "predictions"} & set(Page(write(trials)).ids)
    proposed = [
        replace(
            trial,
            source="llm" if trial.number % 2 else "bayes",
            proposal={"slot": "llm", "predicted_loss": 2.0} if trial.number % 2 else {"slot": "bayes"},
            after=trial.number,
        )
        if trial.source != "baseline" and trial.rung == 0
        else trial
        for trial in trials
    ]
    page = Page(write(proposed))
    assert {"sources", "predictions"} <= set(page.ids)
    assert "llm 9 53 % 7" in page.text
    assert "bayes 8 47 % 8" in page.text
    assert "7 of 9 were measured: off by 0." in page.text


def test_what_papers_say_is_a_list_of_plain_text(write: Any, trials: list[TrialRecord]) -> None:
    text = write(
        trials, literature=['overfits: Dropout: "<script>alert(1)</script>" [arXiv 1207.0580 p.2] = not in the space']
    )
    assert "<script>alert(1)" not in text
    assert '"<script>alert(1)</script>" [arXiv 1207.0580 p.2]' in Page(text).text
    assert "What the literature says" not in write(trials)
