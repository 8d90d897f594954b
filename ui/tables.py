"""Tables of studies, trials and checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from neuramosaic.analysis.leaderboard import Row, leaderboard
from neuramosaic.store.records import StudyRecord, TrialRecord, TrialState
from ui.figures import count, duration, moment
from ui.listing import Line, Listing

STATE_STYLES = {
    TrialState.COMPLETE: "green",
    TrialState.FAILED: "red",
    TrialState.PRUNED: "yellow",
    TrialState.RUNNING: "cyan",
    TrialState.WAITING: "dim",
}
#: Marks the source of a trial that runs an earlier one's architecture on more tokens.
PROMOTED = "↑"


def plain_table(**options: Any) -> Table:
    """Return an empty table in the one style of this program."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), header_style="bold", **options)


def leaderboard_table(trials: Sequence[TrialRecord], *, unit: str, limit: int | None = None) -> Group:
    """Return the leaderboard: highest fidelity first, then the lowest val loss.

    Args:
        trials: Trials of one study.
        unit: Unit of the val loss.
        limit: Greatest number of rows; the baseline is shown even if it is not among them.
    """
    rows = leaderboard(trials)
    shown = [row for row in rows if limit is None or row.rank <= limit or row.is_baseline]
    bits = any("val_bits_per_byte" in row.trial.outcome.metrics for row in shown if row.trial.outcome)
    headings = ["#", "trial", "source", "params", "tokens", "val loss", "bits/byte", "difference", "time"]
    if not bits:
        headings.remove("bits/byte")
    listing = Listing(headings, "components", [_ranked(row, bits) for row in shown], left=("source",))
    more = f"; {len(rows) - len(shown)} more" if len(shown) < len(rows) else ""
    return Group(
        Text(
            f"Leaderboard: val loss in {unit}, lower is better; difference from the baseline at the same tokens{more}"
        ),
        Text(),
        listing,
    )


def _ranked(row: Row, bits: bool) -> Line:
    trial, outcome = row.trial, row.trial.outcome
    assert outcome is not None
    better = row.difference is not None and row.difference < 0
    cells = [str(row.rank), str(trial.number), trial.source, count(trial.params), count(trial.fidelity_tokens)]
    cells.append(f"{row.loss:.4f}")
    if bits:
        cells.append(f"{outcome.metrics['val_bits_per_byte']:.4f}")
    cells.append("baseline" if row.is_baseline else "-" if row.difference is None else f"{row.difference:+.4f}")
    cells.append(duration(outcome.seconds))
    return Line(tuple(cells), trial.label, "bold" if row.is_baseline else "green" if better else "")


def trials_table(trials: Iterable[TrialRecord], *, unit: str) -> Group:
    """Return a line per trial, in the order given."""
    lines = []
    for trial in trials:
        outcome = trial.outcome
        reason = outcome.reason if outcome else ""
        cells = (
            trial.id,
            Text(trial.state, STATE_STYLES[trial.state]),
            trial.source + (PROMOTED if trial.parent else ""),
            count(trial.params),
            count(trial.fidelity_tokens),
            "-" if trial.val_loss is None else f"{trial.val_loss:.4f}",
            duration(outcome.seconds) if outcome else "-",
        )
        lines.append(Line(cells, Text(reason, "red") if reason else trial.label))
    headings = ("trial", "state", "source", "params", "tokens", "val loss", "time")
    listing = Listing(headings, "components, or why it failed", lines, left=("trial", "state", "source"))
    promoted = f"; {PROMOTED}: promoted to more tokens" if any(PROMOTED in str(line.cells[2]) for line in lines) else ""
    return Group(listing, Text(f"\nval loss in {unit}, lower is better{promoted}", "dim"))


def studies_table(rows: Iterable[tuple[StudyRecord, Sequence[TrialRecord], bool]]) -> Listing:
    """Return a line per study: the study, its trials, and whether a process runs it."""
    lines = []
    for study, trials, alive in rows:
        losses = [trial.val_loss for trial in trials if trial.val_loss is not None]
        died = study.state in ("RUNNING", "PAUSED") and not alive
        cells = (
            study.id,
            Text("died" if died else study.state, "red" if died or study.state == "FAILED" else ""),
            str(study.config.get("sampler")),
            count(int(study.config.get("params", 0))),
            str(sum(trial.state.finished for trial in trials)),
            f"{min(losses):.4f}" if losses else "-",
            moment(study.created),
        )
        lines.append(Line(cells, str(study.config.get("task"))))
    headings = ("study", "state", "sampler", "params", "trials", "val loss", "created")
    return Listing(headings, "task", lines, left=("study", "state", "sampler"))


def checks_table(checks: Iterable[Mapping[str, Any]]) -> Table:
    """Return the verification ladder: a line per check, in order."""
    table = plain_table()
    table.add_column("check", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("message", ratio=1)
    table.add_column("time", justify="right", no_wrap=True)
    for check in checks:
        passed = bool(check["passed"])
        seconds = check.get("seconds")
        table.add_row(
            str(check["name"]),
            Text("passed", "green") if passed else Text("failed", "bold red"),
            Text(str(check.get("message") or "")),
            "-" if seconds is None else f"{seconds:.2f} s",
        )
    return table
