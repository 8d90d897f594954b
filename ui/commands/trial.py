"""show, export, reproduce: what a trial is and what can be had from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ui.commands.opening import opened, trial_of
from ui.failures import DONE, FAILED
from ui.options import DEFAULT_WORKSPACE, AsJson, SandboxName, TrialName, Workspace
from ui.output import notices, print_json, results

app = typer.Typer(rich_markup_mode="rich")
PANEL = "Trials"


@app.command(rich_help_panel=PANEL)
def show(
    trial: TrialName,
    code: Annotated[bool, typer.Option("--code", help="Print only its model.py, from git.")] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Show a trial: its architecture drawn, metrics with units, verification, environment, lineage and journal.

    Examples:
      neuramosaic show python-code-1.12
      neuramosaic show python-code-1.12 --code
    """
    from ui.dossier import code_of, dossier, print_dossier

    with opened(workspace) as store:
        name = trial_of(store, trial)
        if code:
            source = code_of(store, name, workspace)
            if as_json:
                print_json({"trial": name, "commit": store.trial(name).commit, "model.py": source})
            else:
                results().file.write(source)
        elif as_json:
            print_json(dossier(store, name))
        else:
            print_dossier(store, name, results())
    return DONE


@app.command(rich_help_panel=PANEL)
def export(
    trial: TrialName,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An empty directory, or one to be made.")],
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Write a trial's model.py, weights.safetensors, config.json and a README that runs into a directory.

    Example:
      neuramosaic export python-code-1.12 best-model
    """
    from graph.export import export_trial

    with opened(workspace) as store:
        files = export_trial(store, trial_of(store, trial), workspace, directory)
    if as_json:
        print_json({"trial": trial, "directory": str(directory), "files": [str(file) for file in files]})
    else:
        for file in files:
            results().print(str(file), markup=False, soft_wrap=True)
    return DONE


@app.command(rich_help_panel=PANEL)
def reproduce(
    trial: TrialName,
    sandbox: SandboxName = None,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Run a trial again and say how far it is off; exit status 1 if outside the tolerance.

    Example:
      neuramosaic reproduce python-code-1.12
    """
    from graph.reproduce import reproduce_trial
    from ui.figures import count

    console = notices()
    with opened(workspace) as store:
        name = trial_of(store, trial)
        tokens = store.trial(name).fidelity_tokens
        with console.status(f"running {name} again on {count(tokens)} tokens ...") as spinner:

            def on_metrics(row: dict[str, Any]) -> None:
                done, loss = int(row.get("tokens", 0)), row.get("train_loss")
                text = f"{name}: {count(done)}/{count(tokens)} tokens"
                spinner.update(text + (f", train loss {loss:.4f}" if loss is not None else ""))

            found = reproduce_trial(store, name, workspace, backend=sandbox, on_metrics=on_metrics)
    if as_json:
        print_json(found.to_json())
        return DONE if found.matches else FAILED
    out = results()
    out.print(f"recorded   {found.recorded!r} {found.unit}")
    out.print(f"measured   {found.measured!r} {found.unit}")
    same = "exactly the same" if found.difference == 0 else f"{found.difference:+.3g} off"
    out.print(f"difference {same}; tolerance {found.tolerance:.3g}")
    for difference in found.differences:
        out.print(f"  differs: {difference}", markup=False, soft_wrap=True)
    out.print("[green]reproduced[/]" if found.matches else "[bold red]not reproduced[/]")
    return DONE if found.matches else FAILED
