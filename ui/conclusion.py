"""What is said at the end of a study, or of watching it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graph.control import launch
from neuramosaic.store.records import TrialState
from neuramosaic.store.store import Store
from ui.failures import DONE, FAILED, complain
from ui.output import print_json, results, say
from ui.snapshot import Snapshot, take_snapshot
from ui.tables import leaderboard_table
from ui.watch import Ending, last_words

#: Rows of the leaderboard at the end of a run; `trials` shows all.
TOP = 20
ONE_SEED = (
    "One seed per trial: a small difference may be chance, and the best of many looks better than it is. The training "
    "numbers of the candidates were searched, those of the baseline were not."
)


def result(snapshot: Snapshot, workspace: Path) -> dict[str, Any]:
    """Return what `run --json` ends with.

    `best` and `baseline` are compared at the same tokens; `baseline` is null if it did not complete there.
    `predictions` says how far off the language model's were; null if it made none.
    """
    standing = snapshot.standing
    report = report_path(snapshot.study.id, workspace)
    return {
        "study": snapshot.study.id,
        "state": str(snapshot.study.state),
        "message": snapshot.study.message or None,
        "trials": snapshot.counts,
        "baseline": standing.baseline.to_json() if standing.baseline else None,
        "best": standing.best.to_json() if standing.best else None,
        "unit": snapshot.unit,
        "predictions": snapshot.predictions.to_json() if snapshot.predictions else None,
        "report": str(report.resolve()) if report.is_file() else None,
    }


def report_path(study: str, workspace: Path) -> Path:
    """Return where a study's report lies once it is written."""
    return workspace / "artifacts" / study / "report.html"


def conclude(ending: Ending, snapshot: Snapshot, workspace: Path, *, as_json: bool) -> int:
    """Print how the study ended and what it found; return the exit status: 0 only if it finished with a result."""
    complete = snapshot.counts.get(TrialState.COMPLETE, 0)
    if as_json:
        print_json(result(snapshot, workspace))
    elif complete:
        results().print(leaderboard_table(snapshot.trials, unit=snapshot.unit, limit=TOP))
        results().print()
        _go_on(snapshot, workspace)
    return say_ending(ending, snapshot, workspace)


def say_ending(ending: Ending, snapshot: Snapshot, workspace: Path) -> int:
    """Say on stderr how the study ended; return the exit status: 0 only if it finished with a result."""
    study = snapshot.study.id
    complete = snapshot.counts.get(TrialState.COMPLETE, 0)
    match ending:
        case Ending.FINISHED if complete:
            if snapshot.study.message:
                say(f"study {study} ended early: {snapshot.study.message}", "yellow")
            return DONE
        case Ending.FINISHED:
            complain(f"no trial of study {study} completed: see why with 'neuramosaic trials {study}'")
        case Ending.STOPPED:
            say(f"study {study} was stopped in good order; it goes on with 'neuramosaic resume {study}'")
        case Ending.FAILED:
            complain(f"study {study} failed: {snapshot.study.message}; go on with 'neuramosaic resume {study}'")
        case Ending.DIED:
            words = last_words(study, workspace)
            complain(f"the process of study {study} died: {words}; go on with 'neuramosaic resume {study}'")
        case Ending.LEFT:
            say(f"left study {study}; look again with 'neuramosaic status {study} --follow'")
    return FAILED


def conclude_detached(study: str, workspace: Path, *, as_json: bool) -> int:
    """Start a study's process, say how to watch it, and leave; return the exit status."""
    launch(study, workspace)
    if as_json:
        with Store.open(workspace, create=False) as store:
            print_json(result(take_snapshot(store, study, alive=True), workspace))
    else:
        results().print(f"started; watch it with 'neuramosaic status {study} --follow'", soft_wrap=True)
    return DONE


def _go_on(snapshot: Snapshot, workspace: Path) -> None:
    study, standing = snapshot.study.id, snapshot.standing
    report = report_path(study, workspace)
    console = results()
    console.print(standing.summary(snapshot.unit), markup=False, soft_wrap=True)
    for caveat in standing.paired.caveats() if standing.paired else [ONE_SEED]:
        console.print(caveat, soft_wrap=True)
    if report.is_file():
        console.print(f"\nreport  {report.resolve()}", markup=False, soft_wrap=True)
    best = standing.best or standing.baseline
    finished = snapshot.study.state == "FINISHED"
    commands = [] if finished else [f"resume {study}"]
    if finished and snapshot.config.comparison is None:
        commands = [f"resume {study} --trials {2 * snapshot.config.trials}"]
    if best is not None:
        commands += [f"show {best.id}", f"export {best.id} exported", f"reproduce {best.id}"]
    for index, command in enumerate(commands):
        console.print(f"{'go on' if index == 0 else '':7} neuramosaic {command}", markup=False, soft_wrap=True)
