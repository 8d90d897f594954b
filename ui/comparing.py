"""Comparing a component with the baseline: running the study, and saying what it has shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from graph.comparing import comparison_study
from graph.control import is_running
from neuramosaic.analysis.paired import PairedComparison, paired_comparison
from neuramosaic.store.records import ComponentRecord, StudyState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from ui.conclusion import report_path, say_ending
from ui.failures import DONE, FAILED, complain
from ui.launching import run_and_watch
from ui.output import notices, results, say
from ui.progress import view_for
from ui.snapshot import Snapshot, take_snapshot
from ui.tables import plain_table
from ui.watch import Ending, Watcher

_NOTHING: dict[str, Any] = {
    "study": None,
    "per_seed": [],
    "missing": [],
    "difference": None,
    "interval": None,
    "level": None,
    "degrees_of_freedom": None,
    "tokens": None,
    "size_difference": None,
    "unit": None,
    "sentence": None,
}


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes:
        ending: Why the watching ended.
        snapshot: How the study stood then.
        paired: What its trials show; None before any has begun.
    """

    ending: Ending
    snapshot: Snapshot
    paired: PairedComparison | None

    def to_json(self) -> dict[str, Any]:
        """Return it as programs may rely on it."""
        return {
            **_NOTHING,
            **(self.paired.to_json(self.snapshot.unit) if self.paired else {}),
            "study": self.snapshot.study.id,
            "unit": self.snapshot.unit,
        }


def nothing_compared(sentence: str) -> dict[str, Any]:
    """Return what `Compared.to_json` would, where nothing was trained.

    Args:
        sentence: Why.
    """
    return {**_NOTHING, "sentence": sentence}


def compare(
    store: Store, config: StudyConfig, workspace: Path, *, component: ComponentRecord | None, again: bool
) -> Compared:
    """Run a comparison, or what is left of it, and show it on stderr while it runs.

    Args:
        store: The workspace's store.
        config: What is compared, and how.
        workspace: The workspace's directory.
        component: The record of the component, if it was added to the workspace.
        again: Whether all of it is trained anew.

    Raises:
        NeuraMosaicError: If the study cannot be made.
    """
    study = comparison_study(store, config, workspace, component=component, again=again)
    if study.state is StudyState.FINISHED:
        say(f"study {study.id} has compared them already; --again trains anew")
        ending, snapshot = Ending.FINISHED, take_snapshot(store, study.id, alive=False)
    elif is_running(study.id, workspace):
        say(f"study {study.id} is running")
        ending, snapshot = Watcher(store, study.id, workspace, view_for(notices(), anew=True)).follow()
    else:
        resumed = study.state is not StudyState.CREATED
        say(f"study {study.id}: {'going on' if resumed else config.task}, workspace {workspace}")
        ending, snapshot = run_and_watch(store, study.id, workspace, resumed=resumed)
    return Compared(ending, snapshot, paired_comparison(snapshot.trials))


def conclude_comparison(compared: Compared, name: str, workspace: Path, *, quiet: bool) -> int:
    """Print what was found; return the exit status: 0 only if there is a difference with an interval.

    Args:
        compared: What came of it.
        name: Name of the component.
        workspace: The workspace's directory.
        quiet: Whether the result is printed elsewhere, as JSON.
    """
    snapshot, paired = compared.snapshot, compared.paired
    if paired is not None and not quiet:
        _print(paired, snapshot, name, workspace)
    if compared.ending is not Ending.FINISHED:
        return say_ending(compared.ending, snapshot, workspace)
    if paired is None or paired.interval is None:
        complain(f"study {snapshot.study.id}: {paired.sentence(snapshot.unit) if paired else 'it has no trial'}")
        return FAILED
    return DONE


def _print(paired: PairedComparison, snapshot: Snapshot, name: str, workspace: Path) -> None:
    console, study = results(), snapshot.study.id
    if paired.pairs:
        table = plain_table()
        for heading in ("seed", name, "baseline", "difference"):
            table.add_column(heading, justify="right", no_wrap=True)
        for pair in paired.pairs:
            losses = [f"{trial.val_loss:.4f}" for trial in (pair.candidate, pair.baseline)]
            better = "green" if pair.difference < 0 else ""
            table.add_row(str(pair.seed), *losses, Text(f"{pair.difference:+.4f}", better))
        console.print(f"val loss in {snapshot.unit}, lower is better, at {paired.fidelity.tokens:,} tokens\n")
        console.print(table)
        console.print()
    console.print(Text(f"{name}: ", "bold").append(paired.sentence(snapshot.unit), "default"), soft_wrap=True)
    for caveat in paired.caveats():
        console.print(caveat, markup=False, soft_wrap=True)
    report = report_path(study, workspace)
    if report.is_file():
        console.print(f"\nreport  {report.resolve()}", markup=False, soft_wrap=True)
