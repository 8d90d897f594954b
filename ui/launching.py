"""Starting a study's process and watching it until it ends."""

from __future__ import annotations

from pathlib import Path

from graph.control import launch
from neuramosaic.store.store import Store
from ui.conclusion import conclude
from ui.output import notices
from ui.progress import view_for
from ui.snapshot import Snapshot
from ui.watch import Ending, Watcher


def launch_and_watch(study: str, workspace: Path, *, as_json: bool, resumed: bool = False) -> int:
    """Run a study in a process of its own and show it on stderr; return the command's exit status.

    Ctrl-C asks the study to stop in good order; a second one leaves it to that.

    Args:
        study: Id of the study, which is not running.
        workspace: Directory of the workspace.
        as_json: Whether the result is printed as JSON.
        resumed: Whether what the journal holds already is left out of plain output.
    """
    with Store.open(workspace, create=False) as store:
        ending, snapshot = run_and_watch(store, study, workspace, resumed=resumed)
        return conclude(ending, snapshot, workspace, as_json=as_json)


def run_and_watch(store: Store, study: str, workspace: Path, *, resumed: bool = False) -> tuple[Ending, Snapshot]:
    """Run a study like `launch_and_watch`; return why the watching ended, and how the study stood then."""
    view = view_for(notices(), anew=resumed)
    watcher = Watcher(store, study, workspace, view, start=lambda: launch(study, workspace))
    return watcher.follow(lambda: store.push_command(study, "stop"))
