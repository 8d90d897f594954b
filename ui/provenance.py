"""How a component of a workspace came to be: its card, its code, who wrote it, what was asked, and what it passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from neuramosaic.components.card import Card
from neuramosaic.errors import NotFoundError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.components import CARD, SOURCE
from neuramosaic.store.ledger import Call, Ledger
from neuramosaic.store.records import ComponentRecord, TrialRecord, WritingRecord
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from ui.figures import duration
from ui.paper_chain import paper_facts, paper_of, print_paper, reading_calls, trials_json
from ui.tables import checks_table


def written_components(store: Store, trial: TrialRecord) -> Iterator[tuple[ComponentRecord, WritingRecord]]:
    """Return the components of a trial that a language model has written, with their writings."""
    for item in store.study(trial.study).components:
        if f"{item['slot']}:{item['name']}" not in trial.components:
            continue
        record = store.component(item["slot"], item["name"], item["version"])
        writing = item.get("writing") or record.writing
        if writing is not None:
            yield record, Writings(store).get(writing)


def history(store: Store, record: ComponentRecord, writing: WritingRecord | None = None) -> dict[str, Any]:
    """Return how a component came to be, the whole conversation with the language model among it.

    Args:
        store: Store of the workspace.
        record: The component.
        writing: The writing that it came from; by default the one that its record names, if any.
    """
    writing = writing or _writing(store, record)
    found: dict[str, Any] = {
        "slot": record.slot,
        "name": record.name,
        "version": record.version,
        "provenance": record.provenance,
        "origin": record.origin,
        "commit": record.commit,
        "file": SOURCE,
        "card": _card(store, record).model_dump(mode="json", exclude_defaults=True),
        "verification": [dict(check) for check in record.checks],
        "writing": None,
        "paper": None,
        "trials": trials_json(store, record),
    }
    if paper_of(writing) is not None:
        calls = [_call(call) for call in reading_calls(store, writing)]
        found["paper"] = {**(paper_facts(store, writing) or {}), "calls": calls}
    if writing is not None:
        facts = asdict(writing)
        for name in ("card", "card_id", "slot", "name", "version", "commit"):
            del facts[name]
        facts["failures"] = [dict(failure) for failure in writing.failures]
        found["writing"] = {
            **facts,
            "state": str(writing.state),
            "calls": [_call(call) for call in _calls(store, writing)],
        }
    return found


def print_history(
    store: Store, record: ComponentRecord, console: Console, writing: WritingRecord | None = None
) -> None:
    """Print how a component came to be; of the conversation, a line for each call."""
    writing = writing or _writing(store, record)
    title = Text(f"{record.slot} ", "cyan").append(record.name, "bold").append(f"  version {record.version}", "dim")
    console.print(title)
    if writing is not None:
        print_paper(store, writing, console)
        by_rule = writing.depth == "equations"
        who = (
            "read by rule from the equations of its card"
            if by_rule
            else f"written by {writing.model} ({writing.depth})"
        )
        effort = f"{writing.attempts} attempts, {writing.tokens:,} tokens, {duration(writing.seconds)}"
        console.print(
            f"{who} in {effort}",
            markup=False,
            soft_wrap=True,
        )
        if why := writing.proposal.get("why"):
            console.print(f"asked for because: {why}", markup=False, soft_wrap=True)
        prompts = ", ".join(f"{name} {version}" for name, version in sorted(writing.prompts.items()))
        console.print(f"prompts: {prompts or 'none recorded'}", markup=False, soft_wrap=True)
        for failure in writing.failures:
            console.print(f"  failed {failure['check']}: {failure['message']}", markup=False, soft_wrap=True)
        for call in _calls(store, writing):
            counted = "" if call.tokens_out is None else f", {call.tokens_in} + {call.tokens_out} tokens"
            line = f"  {call.prompt}: {call.outcome}{counted}, {duration(call.latency_s)}"
            console.print(line, markup=False, soft_wrap=True)
    where = Path(store.path.parent / "code")
    console.print(f"code: git -C {where} show {record.commit[:12]}:{SOURCE}", markup=False, soft_wrap=True)
    console.print("card:", _card(store, record).to_yaml().rstrip(), sep="\n", markup=False, soft_wrap=True)
    console.print(checks_table(record.checks))


def prediction(trial: TrialRecord, unit: str) -> dict[str, str]:
    """Return what a trial's proposer said of it: why, after which papers, and what loss, beside the measured one."""
    said = {}
    if "why" in trial.proposal:
        said["because"] = str(trial.proposal["why"])
    if papers := trial.proposal.get("papers"):
        said["papers"] = ", ".join(map(str, papers))
    if "refused" in trial.proposal:
        said["language model"] = f"asked first, brought nothing: {trial.proposal['refused']}"
    predicted = trial.proposal.get("predicted_loss")
    if isinstance(predicted, int | float):
        measured = "not measured" if trial.val_loss is None else f"measured {trial.val_loss:.4f}"
        said["predicted"] = f"val loss {predicted:.4f}, {measured} {unit}"
        if trial.rung > 0:
            said["predicted"] += " (the prediction was for the first rung)"
    return said


def _writing(store: Store, record: ComponentRecord) -> WritingRecord | None:
    if record.writing is None:
        return None
    try:
        return Writings(store).get(record.writing)
    except NotFoundError:
        return None


def _card(store: Store, record: ComponentRecord) -> Card:
    return Card.from_yaml(CodeRepository(store.path.parent / "code").read(record.commit, CARD))


def _calls(store: Store, writing: WritingRecord) -> list[Call]:
    return Ledger(store).calls(writing.study, trial=writing.id)


def _call(call: Call) -> Mapping[str, Any]:
    names = ("purpose", "prompt", "prompt_version", "provider", "model", "outcome", "message", "answer")
    counted = ("tokens_in", "tokens_out", "latency_s", "cost_usd")
    return {**{name: getattr(call, name) for name in (*names, *counted)}, "messages": [*map(dict, call.messages)]}
