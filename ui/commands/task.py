"""task list, show: what a study can be about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from ui.failures import DONE
from ui.options import DEFAULT_WORKSPACE, AsJson, Workspace
from ui.output import print_json, results
from ui.tables import plain_table

app = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)


@app.callback()
def task() -> None:
    """Look at the tasks that a study can be about.

    Example:
      neuramosaic task list
    """


@app.command("list")
def list_tasks(as_json: AsJson = False, workspace: Workspace = DEFAULT_WORKSPACE) -> int:
    """List the known tasks.

    Example:
      neuramosaic task list
    """
    from neuramosaic.tasks.registry import create_task, task_names, task_settings

    rows: list[dict[str, Any]] = [
        # "text:FILE" stands for any file; no file is read before the task is loaded.
        {"task": name, "summary": create_task(name.replace(":", ":./")).summary, "settings": task_settings(name)}
        for name in task_names()
    ]
    if as_json:
        print_json(rows)
        return DONE
    table = plain_table()
    table.add_column("task", no_wrap=True)
    table.add_column("what it is", ratio=1)
    table.add_column("settings")
    for row in rows:
        settings = ", ".join(f"{key}={value}" for key, value in row["settings"].items())
        table.add_row(str(row["task"]), Text(str(row["summary"])), Text(settings))
    results().print(table)
    return DONE


@app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="python-code, recall, text:FILE ...")],
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Seed of what the task draws.")] = 0,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Load a task's data and say what it holds: splits, metric with unit, and a figure to check a run against.

    Examples:
      neuramosaic task show python-code
      neuramosaic task show text:notes.txt
    """
    from neuramosaic.seeds import stream
    from neuramosaic.tasks.registry import create_task

    task = create_task(name)
    data = task.load(stream(seed, "task"))
    description: dict[str, Any] = {
        "task": task.name,
        "summary": task.summary,
        "metric": {"name": task.metric.name, "unit": task.metric.unit, "direction": task.metric.direction},
        "sanity": task.sanity,
        "settings": task.settings(),
        "vocab_size": data.vocab_size,
        "sequence_length": data.sequence_length,
        "corpus": data.corpus,
        "splits": {split: list(part.tokens.shape) for split, part in data.splits.items()},
        "facts": dict(data.facts),
    }
    if as_json:
        print_json(description)
        return DONE
    console = results()
    console.print(Text(task.name, "bold cyan").append(f"  {task.summary}", "default"), soft_wrap=True)
    shapes = {
        split: f"{shape[0]:,} tokens" if len(shape) == 1 else f"{shape[0]:,} sequences of {shape[1]:,} tokens"
        for split, shape in description["splits"].items()
    }
    rows = {
        "metric": f"{task.metric.name} in {task.metric.unit}, {task.metric.direction}d",
        "sanity": task.sanity or "-",
        "settings": ", ".join(f"{key}={value}" for key, value in task.settings().items()) or "-",
        "vocabulary": f"{data.vocab_size:,} token values",
        **shapes,
        "corpus": data.corpus,
        **{key: _fact(value) for key, value in data.facts.items()},
    }
    table = plain_table(show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for key, value in rows.items():
        table.add_row(key, Text(value))
    console.print(table)
    return DONE


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(part)}" for key, part in value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
