"""sandbox run, build: where untrusted code runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from sandbox.base import Exit, Limits
from ui.failures import DONE, FAILED
from ui.figures import size
from ui.options import DEFAULT_WORKSPACE, AsJson, Workspace
from ui.output import notices, print_json, results, say

app = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)


@app.callback()
def sandbox() -> None:
    """Run a program under the limits of a trial, and build the image that trials run in.

    Example:
      neuramosaic sandbox run script.py
    """


@app.command("run", context_settings={"ignore_unknown_options": True})
def run_in_sandbox(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT.py", help="The program.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS", help="What it is given.")] = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", metavar="auto|docker|bubblewrap|process", help="Which sandbox.")
    ] = "auto",
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="New or empty folder for the files that it writes.")
    ] = None,
    wall: Annotated[float, typer.Option("--wall", metavar="S", min=0.1, help="Wall time, in seconds.")] = 60.0,
    memory: Annotated[int, typer.Option("--memory", metavar="MIB", min=16, help="Memory, in MiB.")] = 2048,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Run any Python program under a trial's limits; exit status 0 only if it finished well.

    Examples:
      neuramosaic sandbox run script.py
      neuramosaic sandbox run script.py --backend bubblewrap --wall 10 --memory 512 -- --its-own-option
    """
    from sandbox.process import WARNING
    from sandbox.script import run_script

    if backend == "process":
        say(WARNING, "yellow")
    with notices().status(f"running {script.name} ...") as spinner:
        outcome = run_script(
            script,
            arguments or (),
            backend,
            Limits(wall_s=wall, memory_mib=memory),
            keep=keep,
            on_progress=lambda line: spinner.update(line),
        )
    if as_json:
        print_json(outcome)
    else:
        _print_outcome(outcome)
    return DONE if outcome["outcome"] == Exit.FINISHED else FAILED


@app.command("build")
def build(
    source: Annotated[
        str, typer.Option("--from", metavar="host|registry|auto", help="What the image is made of.")
    ] = "auto",
    base: Annotated[
        str | None, typer.Option("--base", metavar="IMAGE", help="Image with a Python, for 'registry'.")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option("--wheels", metavar="DIR", help="Folder of wheels, for 'registry' without a network.")
    ] = None,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Build the Docker image that trials run in.

    'host' packs the interpreter and libraries of this machine: it needs neither a registry nor a network.

    Examples:
      neuramosaic sandbox build
      neuramosaic sandbox build --from registry --base python:3.12-slim
    """
    from sandbox.docker import connect
    from sandbox.image import DEFAULT_BASE, build_image

    client = connect()
    try:
        with notices().status("building ..."):
            image = build_image(
                client,
                source=source,
                base=base or DEFAULT_BASE,
                wheels=wheels,
                on_progress=say,
            )
    finally:
        client.close()
    if as_json:
        print_json({"image": image.tag, "digest": image.digest, "seconds": image.seconds, "bytes": image.bytes})
    else:
        results().print(f"{image.tag}  {size(image.bytes)}  {image.digest}", markup=False, soft_wrap=True)
    return DONE


def _print_outcome(outcome: dict[str, Any]) -> None:
    console = results()
    for stream in ("stdout", "stderr"):
        text = str(outcome[f"{stream}_tail"]).rstrip()
        if text:
            console.print(Text(f"-- {stream}", "dim"))
            console.print(Text(text), soft_wrap=True)
    finished = outcome["outcome"] == Exit.FINISHED
    line = Text(str(outcome["outcome"]), "green" if finished else "bold red")
    code = outcome["exit_code"]
    line.append(f", exit code {code}" if code is not None else "", "default")
    line.append(f", {outcome['seconds']:.2f} s in the {outcome['backend']} sandbox", "default")
    if outcome["reason"]:
        line.append(f": {outcome['reason']}", "default")
    console.print(line, soft_wrap=True)
    for file in outcome["files"]:
        console.print(f"  wrote {file['name']}, {size(file['bytes'])}", markup=False, soft_wrap=True)
