"""steer: changing the course of a study while it runs."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from neuramosaic.errors import UsageError
from ui.commands.opening import opened
from ui.failures import DONE
from ui.options import DEFAULT_WORKSPACE, AsJson, StudyName, Workspace
from ui.output import print_json, results

app = typer.Typer(rich_markup_mode="rich")
PANEL = "Studies"


@app.command(rich_help_panel=PANEL)
def steer(
    study: StudyName,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="What is asked for, such as '/veto moe'. Without it: what is in force."),
    ] = None,
    undo: Annotated[
        int | None, typer.Option("--undo", metavar="N", help="Bring back what was before command N of the log.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who asks; by default your user name.")] = None,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Change what a study proposes from now on and how much it may spend, or list what is in force.

    Trials that exist are never touched. A running study heeds a command at once, another one when it is resumed.

    Commands:
      /veto SLOT=NAME ...    /allow SLOT=NAME ...    /pin SLOT=NAME ...    /unpin SLOT ...
      /favour KEY=VALUE ... [weight=W]               /budget trials=N hours=H tokens=N usd=X
      /more-on-best    /pause    /resume    /stop    /approval on|off    /approve CARD    /reject CARD [REASON]
      /idea TEXT       /ingest REF

    Examples:
      neuramosaic steer python-code-1 "/veto channel=moe"
      neuramosaic steer python-code-1 "/favour depth=low mixer=gated_conv weight=4"
      neuramosaic steer python-code-1 --undo 3
      neuramosaic steer python-code-1
    """
    from graph.control import is_running
    from graph.steering import steering_status, submit
    from graph.steering import undo as undo_command
    from neuramosaic.steering.commands import describe, slash

    if command and undo is not None:
        raise UsageError("--undo stands alone: name a command or undo one")
    who = by if by is not None else _user()
    with opened(workspace) as store:
        if command or undo is not None:
            asked = (
                undo_command(store, study, undo, by=who)
                if undo is not None
                else [submit(store, study, " ".join(command or ()), by=who)]
            )
            running = is_running(study, workspace)
            if as_json:
                print_json({"study": study, "running": running, "commands": [item.to_json() for item in asked]})
                return DONE
            for item in asked:
                when = "" if running else f"; it takes effect with 'neuramosaic resume {study}'"
                said = item.effect if not item.pending else f"{describe(item.command)}{when}"
                _print(f"{item.id}: {slash(item.command)}: {said}")
            return DONE
        status = steering_status(store, study)
    if as_json:
        print_json({"study": study, **status.to_json()})
        return DONE
    if status.paused:
        _print("paused: '/resume' goes on")
    for line in status.steering.lines() or ["nothing is in force"]:
        _print(f"in force: {line}" if status.steering.lines() else line)
    for writing in status.waiting:
        _print(f"waits for approval: c{writing.number}: {writing.slot} {writing.name} ({writing.source})")
    for item in status.log:
        told = item.to_json()
        at = "" if item.pending else f" after {item.after} trials"
        effect = f": {item.effect}" if item.effect else ""
        _print(f"{item.id}: {slash(item.command)} by {item.by or 'somebody'}: {told['outcome']}{at}{effect}")
    return DONE


def _user() -> str:
    """Return the name of the person at the terminal; empty if the system does not know it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _print(line: str) -> None:
    results().print(line, markup=False, soft_wrap=True)
