"""How a running study is shown: live on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import sys
import termios
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from neuramosaic.store.records import Event, TrialRecord, TrialState
from ui.figures import clock, count, duration
from ui.snapshot import Snapshot
from ui.tables import PROMOTED

#: Journal entries that plain output leaves out: a finished trial has a line of its own.
QUIET = frozenset({"proposed", "coded", "started", "finished", "standing", "ended"})
#: Journal lines shown under the live view.
JOURNAL_LINES = 5


def view_for(console: Console, *, anew: bool) -> LiveView | PlainView:
    """Return the view that suits a console: nothing that moves the cursor unless it is a terminal.

    Args:
        console: Where to show.
        anew: Whether the past of the study is left out, because it was shown before or is not of interest.
    """
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else PlainView(console, anew=anew)


class PlainView:
    """One line per finished trial and per important journal entry: for pipes, files and CI."""

    def __init__(self, console: Console, *, anew: bool = False) -> None:
        """Prepare; with `anew`, the first snapshot's past is not shown."""
        self._console = console
        self._after: int | None = None if anew else 0
        self._best: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, line: str) -> None:
        """Print a remark."""
        self._print(time.strftime("%H:%M:%S"), line)

    def show(self, snapshot: Snapshot) -> None:
        """Print what is new."""
        if self._after is None:
            self._after = snapshot.events[-1].id if snapshot.events else 0
        trials = {trial.id: trial for trial in snapshot.trials}
        for event in snapshot.events_after(self._after):
            self._after = event.id
            if event.kind == "finished" and event.trial in trials:
                self._print(clock(event.time), _trial_line(trials[event.trial], event, snapshot))
            elif event.kind not in QUIET:
                about = f"trial {trials[event.trial].number}: " if event.trial in trials else ""
                self._print(clock(event.time), f"{event.agent}: {about}{event.message}")
        best = snapshot.standing.best
        if best is not None and best.id != self._best and any(t.source != "baseline" for t in snapshot.trials):
            self._best = best.id
            self._print(time.strftime("%H:%M:%S"), snapshot.standing.summary(snapshot.unit))

    def _print(self, moment: str, line: str) -> None:
        self._console.print(f"{moment} {line}", markup=False, soft_wrap=True)


def _trial_line(trial: TrialRecord, event: Event, snapshot: Snapshot) -> str:
    done = sum(1 for other in snapshot.trials if (other.finish_order or 0) and _order(other) <= _order(trial))
    line = f"[{done}/{snapshot.total}] trial {trial.number} ({trial.source}) {trial.label}: {event.message}"
    if snapshot.remaining_s and snapshot.alive and done < snapshot.total:
        line += f"; about {duration(snapshot.remaining_s)} left"
    return line


def _order(trial: TrialRecord) -> int:
    return trial.finish_order or 0


class LiveView:
    """A small panel that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._echo: list[Any] | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._echo = _silence_control_characters()
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._echo is not None:
            termios.tcsetattr(sys.stdin, termios.TCSANOW, self._echo)

    def say(self, line: str) -> None:
        """Print a remark above the panel."""
        self._console.print(line, markup=False)

    def show(self, snapshot: Snapshot) -> None:
        """Redraw."""
        self._live.update(panel(snapshot), refresh=True)


def _silence_control_characters() -> list[Any] | None:
    """Keep the terminal from writing "^C" into the panel; return the settings to restore, None if there is none."""
    try:
        before = termios.tcgetattr(sys.stdin)
        quiet = list(before)
        quiet[3] &= ~termios.ECHOCTL
        termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    except (termios.error, ValueError, OSError):  # stdin is no terminal, or closed
        return None
    return before


def panel(snapshot: Snapshot) -> RenderableType:
    """Return the picture of a study at one moment."""
    parts: list[RenderableType] = [_header(snapshot), _bar(snapshot)]
    if snapshot.running:
        parts += [Text(), _running(snapshot)]
    parts += [Text(), _best(snapshot)]
    parts += [Text(line, "yellow") for line in snapshot.waits]
    parts += [Text(), _journal(snapshot)]
    return Group(*parts)


def _header(snapshot: Snapshot) -> Text:
    config = snapshot.config
    facts = [str(config.task), f"{count(config.params)} params", snapshot.backend, duration(snapshot.elapsed_s)]
    if snapshot.paused:
        facts.append("paused")
    elif snapshot.alive:
        left = snapshot.remaining_s
        facts.append("time left not known yet" if left is None else f"about {duration(left)} left")
    else:
        facts.append(
            str(snapshot.study.state).lower() if snapshot.study.state not in ("RUNNING", "PAUSED") else "not running"
        )
    header = Text(no_wrap=True, overflow="ellipsis")
    header.append(snapshot.study.id, "bold cyan")
    header.append("  " + " · ".join(facts))
    return header


def _bar(snapshot: Snapshot) -> Table:
    config = snapshot.config
    failed = snapshot.counts.get(TrialState.FAILED, 0)
    proposed = sum(1 for trial in snapshot.trials if trial.rung == 0 and trial.source != "baseline")
    facts = f"{snapshot.finished}/{snapshot.total} trials · {len(snapshot.running)} running"
    facts += f" · {proposed}/{config.trials} architectures" + (f" · {failed} failed" if failed else "")
    if config.max_hours is not None:
        left = max(0.0, config.max_hours * 3600 - snapshot.elapsed_s)
        facts += f" · {duration(left)} of the limit left"
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    table.add_row(ProgressBar(total=max(1, snapshot.total), completed=snapshot.finished), facts)
    return table


def _running(snapshot: Snapshot) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(width=10)
    table.add_column(no_wrap=True)
    for trial in snapshot.running:
        row = snapshot.last_rows.get(trial.id, {})
        done = int(row.get("tokens", 0))
        loss = row.get("train_loss")
        table.add_row(
            Text(f"#{trial.number}", "cyan"),
            trial.source + (PROMOTED if trial.parent else ""),
            Text(trial.label, "dim"),
            f"{count(done)}/{count(trial.fidelity_tokens)} tokens",
            ProgressBar(total=trial.fidelity_tokens, completed=min(done, trial.fidelity_tokens), width=10),
            f"train {loss:.3f}" if loss is not None else "verifying",
        )
    return table


def _best(snapshot: Snapshot) -> Text:
    standing = snapshot.standing
    text = standing.summary(snapshot.unit)
    gain = standing.gain
    return Text(text, style="green" if gain is not None and gain > 0 else "")


def _journal(snapshot: Snapshot) -> Table:
    numbers = {trial.id: trial.number for trial in snapshot.trials}
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, style="dim", width=8)
    table.add_column(no_wrap=True, style="dim cyan", width=10)
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim", ratio=1)
    for event in [event for event in snapshot.events if event.kind != "standing"][-JOURNAL_LINES:]:
        about = f"#{numbers[event.trial]} " if event.trial in numbers else ""
        table.add_row(clock(event.time), event.agent, Text(f"{about}{event.message}"))
    return table
