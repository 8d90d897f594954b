"""doctor: what is installed, reachable and missing, and what to do about it."""

from __future__ import annotations

import typer
from rich.text import Text

from ui.failures import DONE, FAILED, complain
from ui.options import DEFAULT_WORKSPACE, AsJson, Workspace
from ui.output import notices, print_json, results

app = typer.Typer(rich_markup_mode="rich")

STYLES = {"ok": "green", "missing": "red", "note": "yellow"}


@app.command(rich_help_panel="This machine")
def doctor(as_json: AsJson = False, workspace: Workspace = DEFAULT_WORKSPACE) -> int:
    """Say what is installed, reachable and missing on this machine, and what to do about it.

    Exit status 1 only if no study can run.

    Example:
      neuramosaic doctor
    """
    from ui.diagnosis import can_run, examine
    from ui.tables import plain_table

    with notices().status("looking at this machine ..."):
        findings = examine(workspace)
    able = can_run(findings)
    if as_json:
        print_json({"can_run": able, "checks": [finding.to_json() for finding in findings]})
        return DONE if able else FAILED
    table = plain_table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for finding in findings:
        text = Text(finding.detail)
        if finding.remedy:
            text.append(f"\n{finding.remedy}", "yellow" if finding.status != "ok" else "dim")
        table.add_row(Text(finding.status, STYLES[finding.status]), finding.name, text)
    results().print(table)
    if able:
        results().print("Studies can run here: neuramosaic run")
        return DONE
    complain("no study can run here: see what is missing above")
    return FAILED
