"""studies, trials, report: what a workspace holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from neuramosaic.errors import UnknownNameError
from neuramosaic.store.records import TrialRecord, TrialState
from ui.commands.opening import opened
from ui.failures import DONE
from ui.options import DEFAULT_WORKSPACE, AsJson, StudyName, Workspace
from ui.output import print_json, results, say

app = typer.Typer(rich_markup_mode="rich")
PANEL = "Studies"


class Order(StrEnum):
    """How trials are ordered."""

    NUMBER = "number"
    LOSS = "loss"
    PARAMS = "params"
    SECONDS = "seconds"
    FINISHED = "finished"


@app.command(rich_help_panel=PANEL)
def studies(as_json: AsJson = False, workspace: Workspace = DEFAULT_WORKSPACE) -> int:
    """List the studies of the workspace, oldest first.

    Example:
      neuramosaic studies --workspace ./workspace
    """
    from graph.control import is_running
    from ui.tables import studies_table

    with opened(workspace) as store:
        rows = [(study, store.trials(study.id), is_running(study.id, workspace)) for study in store.studies()]
    if as_json:
        print_json(
            [
                {
                    "study": study.id,
                    "state": str(study.state),
                    "running": alive,
                    "message": study.message or None,
                    "pid": study.pid if alive else None,
                    "created": study.created,
                    "finished_trials": sum(trial.state.finished for trial in trials),
                    "config": dict(study.config),
                }
                for study, trials, alive in rows
            ]
        )
    elif rows:
        results().print(studies_table(rows))
    else:
        say(f"the workspace {workspace} holds no study yet: start one with 'neuramosaic run'")
    return DONE


@app.command(rich_help_panel=PANEL)
def trials(
    study: StudyName,
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Only this state, such as FAILED; repeatable.")
    ] = None,
    sort: Annotated[Order, typer.Option("--sort", help="Order of the trials.")] = Order.NUMBER,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """List the trials of a study.

    Examples:
      neuramosaic trials python-code-1 --sort loss
      neuramosaic trials python-code-1 --state FAILED --json
    """
    from ui.tables import trials_table

    states = tuple(_state(name) for name in state or ())
    with opened(workspace) as store:
        unit = str(store.study(study).task.get("unit", "nats per token"))
        found = _sorted(store.trials(study, states), sort)
    if as_json:
        print_json([trial.to_json() for trial in found])
    elif found:
        results().print(trials_table(found, unit=unit))
    else:
        say(f"study {study} has no trial{' of that state' if states else ' yet'}")
    return DONE


@app.command(rich_help_panel=PANEL)
def report(
    study: StudyName,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE.html", help="Where to write it; by default in the workspace.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Write a study's report: one HTML file with leaderboard, curves and projection that opens offline.

    Example:
      neuramosaic report python-code-1 --open
    """
    from graph.reporting import write_study_report

    with opened(workspace) as store:
        path = write_study_report(store, study, workspace, to).resolve()
    if as_json:
        print_json({"study": study, "report": str(path)})
    else:
        results().print(str(path), markup=False, soft_wrap=True)
    if show:
        typer.launch(path.as_uri())
    return DONE


def _state(name: str) -> TrialState:
    if name.upper() not in tuple(TrialState):
        raise UnknownNameError("state", name, TrialState)
    return TrialState(name.upper())


def _sorted(found: list[TrialRecord], order: Order) -> list[TrialRecord]:
    def key(trial: TrialRecord) -> tuple[float, float, int]:
        """Order within one fidelity only where losses are compared; what has no value comes last."""
        last = float("inf")
        match order:
            case Order.LOSS:
                loss = trial.val_loss
                return (last if loss is None else -trial.fidelity_tokens, last if loss is None else loss, trial.number)
            case Order.PARAMS:
                return (trial.params, 0, trial.number)
            case Order.SECONDS:
                return (trial.outcome.seconds if trial.outcome else last, 0, trial.number)
            case Order.FINISHED:
                return (trial.finish_order or last, 0, trial.number)
            case _:
                return (0, 0, trial.number)

    return sorted(found, key=key)
