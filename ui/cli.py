"""The command line: the Typer application, assembled from `ui/commands`, and its entry point."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from ui.commands import (
    component,
    doctor,
    idea,
    ingest,
    llm,
    opening_app,
    papers,
    running,
    sandbox,
    steer,
    study,
    task,
    trial,
    writing,
)
from ui.failures import exit_status

app = typer.Typer(
    name="neuramosaic",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def neuramosaic() -> None:
    """Discover neural architectures on this machine: propose, write, verify, train in a sandbox, learn.

    A workspace (./workspace, or --workspace DIR) keeps every study.
    Start with:
      neuramosaic doctor
      neuramosaic run --task python-code --params 300k --trials 16
    """


app.add_typer(running.app)
app.add_typer(steer.app)
app.add_typer(idea.app)
app.add_typer(study.app)
app.add_typer(trial.app)
app.add_typer(opening_app.app)
app.add_typer(ingest.app)
app.add_typer(papers.app, name="papers", rich_help_panel="Papers")
component.app.command("write")(writing.write_component)
component.app.command("try")(idea.compare_component)
app.add_typer(component.app, name="component", rich_help_panel="Parts")
app.add_typer(task.app, name="task", rich_help_panel="Parts")
app.add_typer(sandbox.app, name="sandbox", rich_help_panel="This machine")
app.add_typer(llm.app, name="llm", rich_help_panel="This machine")
app.add_typer(doctor.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 the thing asked about failed, 2 wrong usage.

    Args:
        arguments: The command's words; those of this process by default.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets "?" instead of a traceback
            stream.reconfigure(errors="replace")
    command = typer.main.get_command(app)
    return exit_status(lambda: command.main(arguments, prog_name="neuramosaic", standalone_mode=False))


if __name__ == "__main__":
    sys.exit(main())
