"""Answers to questions, from what the store holds; none of it needs a language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from agents.analyst import Analyst
from agents.conversation.answers import Answer, Link, Table, lines
from agents.conversation.meaning import QUESTIONS
from agents.conversation.slash import HOW
from agents.paper_reader.plain import plain
from knowledge.papers import Hit
from neuramosaic.analysis.effects import SMALLEST_GROUP, component_effects
from neuramosaic.analysis.leaderboard import leaderboard
from neuramosaic.steering.commands import slash
from neuramosaic.store.commands import CommandRecord
from neuramosaic.store.ledger import Spent
from neuramosaic.store.records import StudyRecord, TrialRecord, TrialState, WritingRecord

#: Rows of a table in the conversation; the views show all.
ROWS = 10
#: Characters of a check's message, and of a passage.
MESSAGE, PASSAGE = 600, 400


def status(
    record: StudyRecord, trials: Sequence[TrialRecord], unit: str, spent: Spent, *, running: bool, paused: bool
) -> Answer:
    """Say how a study stands, and what it has used."""
    counts = Counter(str(trial.state) for trial in trials)
    state = "paused" if paused else "running" if running else str(record.state).lower()
    told = ", ".join(f"{counts[name]} {name.lower()}" for name in map(str, TrialState) if counts[name]) or "none yet"
    said = [f"{record.id} is {state}. Trials: {told}."]
    if not running and record.state == "RUNNING":
        said[0] = f"{record.id} was interrupted: its process is gone, and resume goes on. Trials: {told}."
    if record.message:
        said.append(plain(record.message, MESSAGE))
    standing = Analyst().standing(trials)
    said.append(f"{standing.summary(unit)}.".capitalize())
    hours = sum(trial.outcome.seconds for trial in trials if trial.outcome) / 3600
    price = "" if not spent.usd else f" for {spent.usd:.4f} USD"
    said.append(f"Used so far: {hours:.2f} hours of trials, {spent.tokens:,} tokens of the language model{price}.")
    return lines(*said, links=_links([standing.best]))


def best(trials: Sequence[TrialRecord], unit: str) -> Answer:
    """Say which trial is the best, against the baseline at the same fidelity."""
    standing = Analyst().standing(trials)
    if standing.best is None:
        return lines("No trial but the baseline has completed yet: there is no best one.")
    said = [f"{standing.summary(unit)}.".capitalize(), f"Trial {standing.best.number}: {plain(standing.best.label)}."]
    said.append("One seed each: a small difference may be chance." if standing.paired is None else "")
    return lines(*filter(None, said), links=_links([standing.best, standing.baseline]))


def ranking(trials: Sequence[TrialRecord], unit: str) -> Answer:
    """List the trials that lead, at each fidelity."""
    rows = leaderboard(trials)
    if not rows:
        return lines(f"None of the {len(trials)} trials has completed yet.")
    table = Table(
        ("rank", "trial", "tokens", f"val loss ({unit})", "against baseline", "architecture"),
        tuple(
            (
                row.rank,
                f"#{row.trial.number}",
                row.trial.fidelity_tokens,
                round(row.loss, 4),
                None if row.difference is None else round(row.difference, 4),
                f"{plain(row.trial.label)}{' (baseline)' if row.is_baseline else ''}",
            )
            for row in rows[:ROWS]
        ),
    )
    more = f"{len(rows) - ROWS} more are on the leaderboard." if len(rows) > ROWS else ""
    said = [f"{len(rows)} of {len(trials)} trials are complete; lower is better.", *([more] if more else [])]
    return Answer(tuple(said), (table,), _links([row.trial for row in rows[:3]]))


def why(trial: TrialRecord) -> Answer:
    """Say why a trial did not complete: its reason, and the check that failed with its message."""
    number = trial.number
    link = _links([trial])
    if trial.outcome is None:
        return lines(f"Trial {number} has not failed: it is {str(trial.state).lower()}.", links=link)
    if trial.state is TrialState.COMPLETE:
        loss = "" if trial.val_loss is None else f" with a val loss of {trial.val_loss:.4f}"
        return lines(f"Trial {number} has not failed: it is complete{loss}.", links=link)
    verb = "was pruned" if trial.state is TrialState.PRUNED else "failed"
    said = [f"Trial {number} {verb}: {plain(trial.outcome.reason or 'no reason was recorded', MESSAGE)}"]
    failed = [check for check in trial.outcome.verification if not check.get("passed")]
    for check in failed:
        said.append(f"The check '{plain(str(check.get('name')))}' failed: {plain(str(check.get('message')), MESSAGE)}")
    if trial.outcome.duplicate_of is not None:
        said.append(f"It computes the same function as trial {trial.outcome.duplicate_of.rpartition('.')[2]}.")
    said.append(f"Its architecture: {plain(trial.label)}.")
    return lines(*said, links=link)


def failures(trials: Sequence[TrialRecord]) -> Answer:
    """List what failed or was pruned, the newest first, each with its reason."""
    ended = [trial for trial in trials if trial.state in (TrialState.FAILED, TrialState.PRUNED)]
    if not ended:
        return lines("No trial has failed.")
    ended.sort(key=lambda trial: -(trial.finish_order or 0))
    rows = tuple(
        (
            f"#{trial.number}",
            str(trial.state),
            plain(trial.outcome.reason, MESSAGE) if trial.outcome else "",
            trial.label,
        )
        for trial in ended[:ROWS]
    )
    table = Table(("trial", "state", "reason", "architecture"), rows)
    said = f"{len(ended)} trials did not complete{f'; the last {ROWS}' if len(ended) > ROWS else ''}:"
    return Answer((said,), (table,), _links(ended[:3]))


def effects(trials: Sequence[TrialRecord], unit: str, *, rng: np.random.Generator) -> Answer:
    """Say which components go with a lower loss, with intervals."""
    found = component_effects(trials, rng=rng)
    if not found:
        return lines(
            f"Not enough trials yet: a component needs {SMALLEST_GROUP} completed trials with it and as many without."
        )
    rows = tuple(
        (
            effect.component.replace(":", " "),
            round(effect.difference, 4),
            f"{effect.low:+.4f} to {effect.high:+.4f}",
            _verdict(effect.low, effect.high),
            effect.n_with,
            effect.n_without,
        )
        for effect in (found if len(found) <= 2 * ROWS else [*found[:ROWS], *found[-ROWS:]])
    )
    columns = ("component", f"difference ({unit})", "95% interval", "it", "trials with", "without")
    clear = [effect for effect in found if effect.high < 0]
    first = (
        f"{', '.join(effect.component.replace(':', ' ') for effect in clear[:3])} "
        f"{'goes' if len(clear) == 1 else 'go'} with a lower loss."
        if clear
        else "No component goes with a lower loss beyond chance so far."
    )
    note = (
        f"At {found[0].fidelity}: mean loss with it minus mean loss without it. An association, since a search "
        "does not choose at random."
    )
    return Answer((first, note), (Table(columns, rows),))


def _verdict(low: float, high: float) -> str:
    return "helps" if high < 0 else "hurts" if low > 0 else "is not clear"


def show(trial: TrialRecord, unit: str) -> Answer:
    """Say what a trial is, and how it ended."""
    said = [
        f"Trial {trial.number}: {plain(trial.label)}",
        f"{str(trial.state).lower()}, proposed by {trial.source}, {trial.params:,} parameters, seed {trial.seed}, "
        f"{trial.fidelity_tokens:,} tokens (rung {trial.rung})",
        f"Components: {', '.join(name.replace(':', ' ') for name in trial.components)}",
    ]
    if trial.val_loss is not None:
        said.append(f"Val loss {trial.val_loss:.4f} {unit}")
    if trial.outcome is not None and trial.outcome.reason:
        said.append(plain(trial.outcome.reason, MESSAGE))
    if trial.parent is not None:
        said.append(f"Promoted from trial {trial.parent.rpartition('.')[2]}")
    return lines(*(f"{line.rstrip('.')}." for line in said), links=_links([trial]))


def passages(text: str, hits: Sequence[Hit]) -> Answer:
    """Show the passages of papers that were found."""
    wanted = (Link("passages", text, "Search in the literature"),)
    if not hits:
        return Answer((f"Nothing is found about {plain(text, 200)}.",), links=wanted)
    said = [f"{len(hits)} passages about {plain(text, 200)}:"]
    for hit in hits:
        where = f", page {hit.passage.page}" if hit.passage.page else ""
        said.append(f"{plain(hit.title, 160)} ({plain(hit.passage.paper)}{where}): {plain(hit.passage.text, PASSAGE)}")
    return Answer(tuple(said), links=wanted)


def log(in_force: Sequence[str], commands: Sequence[CommandRecord], waiting: Sequence[WritingRecord]) -> Answer:
    """Say what steers a study, and list what was asked of it."""
    said = [f"In force: {plain(line)}." for line in in_force] or ["Nothing steers this study."]
    pending = sum(record.pending for record in commands)
    if pending:
        verb = "command waits" if pending == 1 else "commands wait"
        said.append(f"{pending} {verb}: a running study heeds it in a moment, another one once it goes on.")
    said += [f"c{item.number} waits for approval: {item.slot} {item.name}." for item in waiting]
    if not commands:
        return lines(*said)
    rows = tuple(
        (
            record.id,
            plain(slash(record.command), 200),
            plain(record.by, 60) or "somebody",
            "waits" if record.pending else str(record.outcome or "done"),
            plain(record.effect, 200),
        )
        for record in reversed(commands[-2 * ROWS :])
    )
    return Answer(tuple(said), (Table(("number", "command", "by", "outcome", "effect"), rows),))


def help_text() -> Answer:
    """List the commands, and what can be said in words."""
    rows = [(how, QUESTIONS[kind][1] if kind in QUESTIONS else _MEANINGS.get(kind, "")) for kind, how in HOW.items()]
    said = (
        "Say what you want, such as: find something better than attention for recall at 300k parameters, an hour, only "
        "linear-time mixers; read 2312.06635 first.",
        "Ask: why did trial 12 fail? What helps most? What is the best?",
        "Steer: no mixture of experts. Favour shallow. Spend more on the best. Pause. Try this idea: ...",
        "What would change something is shown and waits for you. The same as commands:",
    )
    return Answer(said, (Table(("command", "what it does"), tuple(rows)),))


_MEANINGS = {
    "run": "a new study, with its cost, to be confirmed",
    "undo": "brings back what was in force before a command of the log",
    "veto": "no new proposal has the component",
    "allow": "takes a veto back",
    "pin": "every new proposal has the component",
    "unpin": "leaves a slot free again",
    "favour": "leans towards a component, or depth=low",
    "budget": "other limits, in all",
    "more-on-best": "trains the best trial for longer",
    "pause": "what runs finishes, nothing new begins",
    "resume": "goes on",
    "stop": "ends the session in good order",
    "approval": "whether a new component waits for a person",
    "approve": "has a component that waits written",
    "reject": "has it not written",
    "idea": "a sentence becomes a component; needs a language model",
    "ingest": "reads a paper: an arXiv id, a search, a PDF file",
}


def _links(trials: Sequence[TrialRecord | None]) -> tuple[Link, ...]:
    known = {trial.id: trial for trial in trials if trial is not None}
    return tuple(Link("trial", trial.id, f"Trial {trial.number}") for trial in known.values())
