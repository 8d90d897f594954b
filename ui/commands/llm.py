"""llm test: does a language model work from here?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from neuramosaic.errors import UnknownNameError
from ui.failures import DONE, FAILED, complain
from ui.options import DEFAULT_WORKSPACE, AsJson, Workspace
from ui.output import notices, print_json, results

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from agents.llm.connection import Connection

app = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)

#: Those that a call says something about: a replay has no model.
PROVIDERS = ("openai", "local")


@app.callback()
def llm() -> None:
    """Try the language models that can be asked from here.

    Example:
      neuramosaic llm test --model gpt-5-mini
    """


@app.command("test")
def call_once(
    provider: Annotated[str, typer.Option("--provider", "-p", metavar="openai|local", help="Who is asked.")] = "openai",
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="MODEL", help="The model, as the server calls it.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible server, with its /v1.")
    ] = None,
    gguf: Annotated[
        Path | None, typer.Option("--gguf", metavar="FILE", help="The local model; by default the installed one.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", min=0.1, help="Seconds for an attempt.")] = 120.0,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Make one short structured call: does it work, how long does it take, how many tokens; exit status 1 if not.

    The key is read from OPENAI_API_KEY. The call is recorded in the workspace's ledger.

    Examples:
      neuramosaic llm test --model gpt-5-mini
      neuramosaic llm test --provider local
      neuramosaic llm test --base-url http://127.0.0.1:11434/v1 --model qwen2.5-coder:1.5b
    """
    import numpy as np

    from agents.llm.connection import check_connection
    from agents.llm.providers import ProviderChoice, check_provider, create_provider
    from neuramosaic.store.ledger import Ledger
    from neuramosaic.store.store import Store

    if provider not in PROVIDERS:
        raise UnknownNameError("language model", provider, PROVIDERS)
    choice = ProviderChoice(provider, model=model, url=base_url, gguf=gguf, timeout_s=timeout)
    check_provider(choice)
    with Store.open(workspace) as store:
        with notices().status("starting ...") as spinner:
            asked = create_provider(choice, Ledger(store), on_progress=spinner.update)
        try:
            with notices().status(f"asking {asked.model} ..."):
                connection = check_connection(asked, Ledger(store), rng=np.random.default_rng())
        finally:
            asked.close()
    if as_json:
        print_json(connection.to_json())
    elif connection.works:
        results().print(_summary(connection), soft_wrap=True)
    if not connection.works:
        complain(f"{connection.model} does not work: {connection.problem}")
    return DONE if connection.works else FAILED


def _summary(connection: Connection) -> Text:
    counted = connection.tokens_in is not None and connection.tokens_out is not None
    tokens = f"{connection.tokens_in} + {connection.tokens_out} tokens" if counted else "tokens not counted"
    known = connection.cost_usd is not None
    cost = f"{connection.cost_usd:.6f} USD" if known else "cost not known"
    dated = f" (list prices of {connection.prices})" if known and connection.prices else ""
    text = Text("works ", "bold green").append(f"{connection.provider} {connection.model}", "default")
    return text.append(f": {connection.seconds:.2f} s, {tokens}, {cost}{dated}", "default")
