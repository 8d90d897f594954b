"""component list, show, verify, add (write stands in writing.py, try in idea.py): the building blocks of the space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from neuramosaic.errors import UnknownNameError
from ui.commands.opening import opened
from ui.failures import DONE, FAILED
from ui.options import DEFAULT_WORKSPACE, AsJson, SandboxName, Workspace
from ui.output import notices, print_json, results, say
from ui.tables import checks_table, plain_table

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from neuramosaic.components.spec import ComponentSpec
    from neuramosaic.store.records import ComponentRecord

app = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)


def _slot(name: str | None) -> str | None:
    """Check the name of a slot.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    from neuramosaic.components.spec import Slot

    if name is not None and name not in tuple(Slot):
        raise UnknownNameError("slot", name, map(str, Slot))
    return name


SlotName = Annotated[
    str | None,
    typer.Option(
        "--slot", "-s", metavar="SLOT", callback=_slot, help="mixer, channel, norm, position, residual, modulator."
    ),
]


ClassName = Annotated[
    str | None,
    typer.Option("--class", "-c", metavar="CLASS", help="The class in FILE.py, if it holds several."),
]
CardFile = Annotated[
    Path | None, typer.Option("--card", metavar="CARD.yaml", help="The card that FILE.py is to be held to.")
]


@app.callback()
def component() -> None:
    """Look at the building blocks of the space, verify them, and add your own.

    Example:
      neuramosaic component list --slot mixer
    """


@app.command("list")
def list_components(slot: SlotName = None, as_json: AsJson = False, workspace: Workspace = DEFAULT_WORKSPACE) -> int:
    """List the components of the catalogue and those added to the workspace, by slot.

    Example:
      neuramosaic component list --slot mixer
    """
    from neuramosaic.components.spec import Slot
    from neuramosaic.store.components import known_components

    known, added = known_components(workspace)
    specs = known.slot(slot) if slot else tuple(spec for each in Slot for spec in known.slot(each))
    if as_json:
        print_json([_summary(spec, added) for spec in specs])
        return DONE
    table = plain_table()
    for heading in ("slot", "name"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it is", ratio=1)
    for heading in ("cost in T", "from"):
        table.add_column(heading, no_wrap=True)
    last = None
    for spec in specs:
        shown = "" if spec.slot is last else str(spec.slot)
        last = spec.slot
        table.add_row(Text(shown, "cyan"), spec.name, Text(spec.summary), str(spec.cost), _origin(spec))
    results().print(table)
    return DONE


@app.command("show")
def show_component(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A component, such as attention.")],
    slot: SlotName = None,
    code: Annotated[bool, typer.Option("--code", help="Print only its source.")] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Show a component: what it is, its hyper-parameters with their domains, its source, and how it came to be.

    Of one from a paper: passages, card, what was asked, code, ladder, trials, effect on the loss.

    Examples:
      neuramosaic component show recurrence
      neuramosaic component show none --slot position --code
    """
    from neuramosaic.store.components import known_components
    from ui.paper_chain import print_trials
    from ui.provenance import history, print_history

    known, added = known_components(workspace)
    spec = known.find(name, slot)
    console = results()
    record = added.get((spec.slot, spec.name))
    if code:
        console.file.write(spec.source)
        return DONE
    if not as_json:
        _print_spec(spec, added, console)
    if record is None:
        if as_json:
            print_json({**_summary(spec, added), "source": spec.source, "history": None})
        return DONE
    with opened(workspace) as store:
        if as_json:
            print_json({**_summary(spec, added), "source": spec.source, "history": history(store, record)})
        else:
            console.print(Text("\nHow it came to be", "bold"))
            print_history(store, record, console)
            print_trials(store, record, console)
    return DONE


@app.command("verify")
def verify(
    target: Annotated[str, typer.Argument(metavar="NAME|FILE.py", help="A component, or a file that holds one.")],
    slot: SlotName = None,
    class_name: ClassName = None,
    card: CardFile = None,
    sandbox: SandboxName = None,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Run the verification ladder on a component, in the sandbox; exit status 1 if it fails.

    Examples:
      neuramosaic component verify attention
      neuramosaic component verify my_mixer.py --slot mixer --class MyMixer
      neuramosaic component verify my_mixer.py --card my_mixer.yaml
    """
    from agents.verifier import verify_component
    from neuramosaic.components.card import Card
    from neuramosaic.store.components import known_components
    from sandbox.process import WARNING

    if sandbox == "process":
        say(WARNING, "yellow")
    with notices().status(f"verifying {target} ..."):
        report = verify_component(
            target,
            known_components(workspace)[0],
            slot=slot,
            class_name=class_name,
            card=Card.from_file(card) if card else None,
            backend=sandbox or "auto",
        )
    verified = bool(report["verified"])
    if as_json:
        print_json(report)
    else:
        console = results()
        console.print(checks_table(report["checks"]))
        verdict = Text("verified", "bold green") if verified else Text("not verified", "bold red")
        console.print(verdict.append(f" in the {report['backend']} sandbox", "default"))
    return DONE if verified else FAILED


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.py", help="A file that holds the component's class.")],
    card: CardFile = None,
    slot: SlotName = None,
    class_name: ClassName = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its name; the class's in snake case if not given.")
    ] = None,
    sandbox: SandboxName = None,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Add a component of your own to the space of the workspace's new studies, once it is verified in the sandbox.

    Examples:
      neuramosaic component add my_mixer.py --slot mixer
      neuramosaic component add my_mixer.py --card my_mixer.yaml
    """
    from agents.component_file import read_component
    from agents.curator import add_component
    from neuramosaic.components.card import Card
    from sandbox.process import WARNING

    written = Card.from_file(card) if card else None
    spec, held_to = read_component(file, written, slot=slot, class_name=class_name, name=name)
    if sandbox == "process":
        say(WARNING, "yellow")
    with notices().status(f"verifying {spec.name} ..."):
        report = add_component(spec, held_to, workspace, origin=file.name, backend=sandbox or "auto")
    verified = bool(report["verified"])
    if as_json:
        print_json(report)
        return DONE if verified else FAILED
    console = results()
    console.print(checks_table(report["checks"]))
    if verified:
        console.print(
            Text("added", "bold green").append(f" {spec.slot} {spec.name}, version {report['version']}: ", "default")
        )
        console.print("new studies of this workspace search it; running and finished ones keep their space")
    else:
        settings = ", ".join(f"{key}={value}" for key, value in report["hyperparameters"].items())
        verdict = Text("not verified, nothing added", "bold red").append(f" ({report['backend']} sandbox", "default")
        console.print(verdict.append(f"; {settings})" if settings else ")", "default"))
    return DONE if verified else FAILED


def _origin(spec: ComponentSpec) -> str:
    """Return in one word where a component came from."""
    return spec.paper or ("-" if spec.provenance == "catalogue" else str(spec.provenance))


def _summary(spec: ComponentSpec, added: dict[tuple[str, str], ComponentRecord]) -> dict[str, Any]:
    record = added.get((spec.slot, spec.name))
    provenance = (
        {
            "version": record.version,
            "commit": record.commit,
            "file": record.origin,
            "created": record.created,
            "checks": [dict(check) for check in record.checks],
        }
        if record
        else None
    )
    return {
        "name": spec.name,
        "slot": str(spec.slot),
        "class": spec.class_name,
        "summary": spec.summary,
        "paper": spec.paper,
        "cost": str(spec.cost),
        "provenance": str(spec.provenance),
        "uses_position": spec.uses_position,
        "traits": dict(spec.traits),
        "version": spec.version,
        "added": provenance,
        "hyperparameters": [parameter.to_json() for parameter in spec.hyperparameters],
    }


def _print_spec(spec: ComponentSpec, added: dict[tuple[str, str], ComponentRecord], console: Console) -> None:
    from rich.syntax import Syntax

    console.print(Text(f"{spec.slot} ", "cyan").append(spec.name, "bold").append(f"  version {spec.version}", "dim"))
    console.print(Text(spec.summary), soft_wrap=True)
    paper = f"arXiv {spec.paper}" if spec.paper else "no paper"
    console.print(f"{paper} · cost in T: {spec.cost} · provenance: {spec.provenance}")
    if record := added.get((spec.slot, spec.name)):
        came = f"added from {record.origin}" if record.provenance == "own" else record.origin
        text = f"{came} on {record.created[:10]} · commit {record.commit[:12]} in code/"
        console.print(text, markup=False)
    if spec.traits:
        console.print("traits: " + ", ".join(f"{key}={value}" for key, value in spec.traits.items()), soft_wrap=True)
    if spec.hyperparameters:
        table = plain_table()
        table.add_column("hyper-parameter", no_wrap=True)
        table.add_column("domain", ratio=1)
        table.add_column("default", no_wrap=True)
        for parameter in spec.hyperparameters:
            definition = parameter.to_json()
            domain = (
                ", ".join(map(str, definition["choices"]))
                if "choices" in definition
                else f"{definition['low']} to {definition['high']}" + (", log" if definition.get("log") else "")
            )
            table.add_row(parameter.name, Text(domain), str(parameter.default))
        console.print(table)
    console.print()
    if console.is_terminal:
        console.print(Syntax(spec.source, "python", background_color="default", word_wrap=True))
    else:
        console.file.write(spec.source)
