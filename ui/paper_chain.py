"""The two ends of a component's history: the passages that it comes from, and the trials that show what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from agents.paper_reader.plain import plain
from agents.paper_reader.questions import reading
from neuramosaic.analysis.effects import Effect, component_effects
from neuramosaic.analysis.paired import paired_comparison
from neuramosaic.store.ledger import Call, Ledger
from neuramosaic.store.records import ComponentRecord, StudyRecord, TrialRecord, WritingRecord
from neuramosaic.store.store import Store
from ui.figures import count, duration
from ui.tables import plain_table

#: Source of a writing whose card comes from a paper.
SOURCE = "paper"


def paper_of(writing: WritingRecord | None) -> str | None:
    """Return the id of the paper that a writing's card comes from, or None."""
    if writing is None or writing.source != SOURCE:
        return None
    paper = writing.proposal.get("paper")
    return None if paper is None else plain(str(paper), 80)


def paper_facts(store: Store, writing: WritingRecord | None) -> dict[str, Any] | None:
    """Return the paper behind a writing: what it is, what it says where, and what was asked about it."""
    paper = paper_of(writing)
    if writing is None or paper is None:
        return None
    kept = ("title", "relation", "evidence", "nearest", "reasons")
    return {"paper": paper, **{name: writing.proposal.get(name) for name in kept}}


def reading_calls(store: Store, writing: WritingRecord | None) -> list[Call]:
    """Return what a language model was asked about the paper of a writing."""
    paper = paper_of(writing)
    return [] if paper is None else Ledger(store).calls(None, trial=reading(paper))


def print_paper(store: Store, writing: WritingRecord, console: Console) -> None:
    """Print the paper behind a writing: the passages that support each field of the card; nothing if there is none."""
    facts = paper_facts(store, writing)
    if facts is None:
        return
    title = (
        Text("paper ", "cyan").append(facts["paper"], "bold").append(f"  {plain(str(facts['title']), 300)}", "default")
    )
    console.print(title, soft_wrap=True)
    console.print(f"relation to what was known: {facts['relation']}", markup=False, soft_wrap=True)
    for name, item in _ordered(facts["evidence"] or {}):
        quote = plain(str(item.get("quote", "")), 300)
        line = f"  {plain(name, 60)}: page {item.get('page')}, passage {plain(str(item.get('passage')), 80)}: “{quote}”"
        console.print(line, markup=False, soft_wrap=True)
    for reason in facts["reasons"] or ():
        console.print(f"  {plain(str(reason), 300)}", markup=False, soft_wrap=True)
    for call in reading_calls(store, writing):
        counted = "" if call.tokens_out is None else f", {call.tokens_in} + {call.tokens_out} tokens"
        line = f"  {call.prompt} {call.prompt_version}: {call.outcome}{counted}, {duration(call.latency_s)}"
        console.print(line, markup=False, soft_wrap=True)


def trials_with(
    store: Store, record: ComponentRecord
) -> Iterator[tuple[StudyRecord, list[TrialRecord], list[TrialRecord]]]:
    """Return the studies that have tried a version of a component: each with its trials with it, and all its trials."""
    for study in store.studies():
        if not any(_is(item, record) for item in study.components):
            continue
        trials = store.trials(study.id)
        with_it = [trial for trial in trials if f"{record.slot}:{record.name}" in trial.components]
        if with_it:
            yield study, with_it, trials


def effect_in(record: ComponentRecord, trials: list[TrialRecord]) -> Effect | None:
    """Return the difference in loss that goes with a component among the trials of a study, or None if too few."""
    wanted = f"{record.slot}:{record.name}"
    effects = component_effects(trials, rng=np.random.default_rng(0))
    return next((effect for effect in effects if effect.component == wanted), None)


def trials_json(store: Store, record: ComponentRecord) -> list[dict[str, Any]]:
    """Return the trials of a component, study by study, with its effect on the loss."""
    found = []
    for study, with_it, trials in trials_with(store, record):
        effect = effect_in(record, trials)
        paired = paired_comparison(trials) if study.config.get("comparison") else None
        unit = str(study.task.get("unit", "nats per token"))
        found.append(
            {
                "study": study.id,
                "unit": unit,
                "trials": [
                    {
                        "trial": trial.id,
                        "state": str(trial.state),
                        "source": trial.source,
                        "seed": trial.seed,
                        "fidelity_tokens": trial.fidelity_tokens,
                        "val_loss": trial.val_loss,
                    }
                    for trial in with_it
                ],
                "effect": None
                if effect is None
                else {
                    "difference": effect.difference,
                    "interval": [effect.low, effect.high],
                    "tokens": effect.fidelity.tokens,
                    "with": effect.n_with,
                    "without": effect.n_without,
                },
                "comparison": paired.sentence(unit) if paired else None,
            }
        )
    return found


def print_trials(store: Store, record: ComponentRecord, console: Console) -> None:
    """Print the trials of a component and its effect on the loss."""
    found = trials_json(store, record)
    console.print(Text("\nTrials with it", "bold"))
    if not found:
        console.print(f"none yet: neuramosaic component try {record.name}", markup=False, soft_wrap=True)
        return
    for item in found:
        table = plain_table()
        for heading in ("trial", "state", "seed", "tokens", f"val loss ({item['unit']})"):
            table.add_column(heading, no_wrap=True)
        for trial in item["trials"]:
            loss = "-" if trial["val_loss"] is None else f"{trial['val_loss']:.4f}"
            tokens = count(trial["fidelity_tokens"])
            table.add_row(trial["trial"], trial["state"], str(trial["seed"]), tokens, loss)
        console.print(table)
        if effect := item["effect"]:
            low, high = effect["interval"]
            line = (
                f"study {item['study']}: {effect['difference']:+.4f} [{low:+.4f}, {high:+.4f}] {item['unit']}"
                f" goes with it at {effect['tokens']:,} tokens ({effect['with']} trials with it,"
                f" {effect['without']} without; 95 %, an association; negative is better)"
            )
            console.print(line, markup=False, soft_wrap=True)
        else:
            console.print(f"study {item['study']}: too few trials for an effect on the loss", markup=False)
        if item["comparison"]:
            console.print(f"compared with the baseline: {item['comparison']}", markup=False, soft_wrap=True)


def _is(item: Any, record: ComponentRecord) -> bool:
    return (item["slot"], item["name"], item["version"]) == (record.slot, record.name, record.version)


def _ordered(evidence: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    first = ("name", "slot", "summary")
    return sorted(evidence.items(), key=lambda pair: (first.index(pair[0]) if pair[0] in first else 3, pair[0]))
