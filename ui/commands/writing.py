"""component write: from a card to code that is proved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from neuramosaic.errors import UnknownNameError
from ui.failures import DONE, FAILED
from ui.figures import duration
from ui.options import (
    DEFAULT_WORKSPACE,
    LLM_PANEL,
    AsJson,
    BaseUrl,
    MaxLlmTokens,
    MaxUsd,
    ModelFile,
    ModelName,
    SandboxName,
    Workspace,
)
from ui.output import notices, print_json, results, say

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from agents.writer.result import Written

#: Who can be asked. A replay repeats the ledger of a study; what is written here belongs to none.
PROVIDERS = ("local", "openai")
#: How a component was written, in words.
DEPTHS = {
    "equations": "its equations, read by rule",
    "sketch": "its forward pass, written by the model",
    "code": "its class, written by the model",
}


def write_component(
    card: Annotated[Path, typer.Argument(metavar="CARD.yaml", help="The card.")],
    llm: Annotated[
        str, typer.Option("--llm", metavar="local|openai", help="Who writes.", rich_help_panel=LLM_PANEL)
    ] = "local",
    model: ModelName = None,
    base_url: BaseUrl = None,
    gguf: ModelFile = None,
    max_usd: MaxUsd = None,
    max_llm_tokens: MaxLlmTokens = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", metavar="N", min=1, help="Candidates, at most; 24 if not given.")
    ] = None,
    sandbox: SandboxName = None,
    again: Annotated[
        bool, typer.Option("--again", help="Write it anew, whatever the workspace knows of this card.")
    ] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Have the component of a card written, prove it in the sandbox, and keep it; exit status 1 if it is not verified.

    Equations that can be read by rule need no language model; what cannot, it writes, and is shown what failed.

    Examples:
      neuramosaic component write examples/cards/maxout.yaml
      neuramosaic component write my_card.yaml --llm openai --model gpt-5-mini --max-usd 0.2
    """
    from agents.bench import Bench
    from agents.llm.providers import ProviderChoice
    from agents.writer.writer import WriterLimits, check_card
    from graph.idea import Caps, asked
    from graph.writing import write_card, written_before
    from neuramosaic.components.card import Card
    from neuramosaic.store.store import Store
    from neuramosaic.study import parse_count
    from sandbox.process import WARNING

    read = Card.from_file(card)
    check_card(read)
    if llm not in PROVIDERS:
        raise UnknownNameError("language model", llm, PROVIDERS)
    choice = ProviderChoice(llm, model=model, url=base_url, gguf=gguf)
    caps = Caps(parse_count(max_llm_tokens) if max_llm_tokens else None, max_usd)
    given = {"attempts": attempts, "tokens": caps.tokens}
    limits = WriterLimits(**{name: value for name, value in given.items() if value is not None})
    if sandbox == "process":
        say(WARNING, "yellow")
    with Store.open(workspace) as store:
        written = None if again else written_before(read, store, workspace)
        if written is not None:
            say("the workspace has the component of this card: --again writes it anew")
        else:
            with (
                notices().status("starting the sandbox ...") as spinner,
                Bench(sandbox or "auto") as bench,
                asked(choice, store, caps, spinner.update) as it,
            ):
                spinner.stop()
                say(f"writing {read.slot} {read.name} with {it.provider.model}, proving it in {bench.name}")
                written = write_card(read, it, bench, store, workspace, limits=limits, again=again, on_progress=say)
    if as_json:
        print_json(written.to_json())
    else:
        _print(written)
    return DONE if written.verified else FAILED


def _print(written: Written) -> None:
    console = results()
    effort = f"{written.attempts} attempts, {written.tokens:,} tokens, {duration(written.seconds)}"
    if written.depth is not None:
        line = Text("verified", "bold green").append(f" {written.name}: {DEPTHS[written.depth]}", "default")
    else:
        known = " (known from an earlier try; --again tries anew)" if written.remembered else ""
        line = Text("not verified", "bold red").append(f" {written.name}{known}", "default")
    console.print(line.append(f" ({effort})", "default"), soft_wrap=True)
    if written.failures:
        console.print("what failed, in order:")
    for failure in written.failures:
        console.print(f"  {failure.check}: {failure.message}", markup=False, soft_wrap=True)
    if written.file is not None:
        console.print(f"code: {written.file}", markup=False, soft_wrap=True)
