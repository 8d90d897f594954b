"""llm test: does a language model work from here?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from neuramosaic.errors import UnknownNameError, UsageError
from ui.failures import DONE, FAILED, complain
from ui.options import DEFAULT_WORKSPACE, AsJson, Workspace
from ui.output import notices, print_json, results

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from agents.llm.base import Provider
    from agents.llm.connection import Connection

app = typer.Typer(rich_markup_mode="rich", no_args_is_help=True)

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
    from neuramosaic.store.ledger import Ledger
    from neuramosaic.store.store import Store

    with notices().status("starting ...") as spinner:
        asked = _provider(provider, model, base_url, gguf, timeout, spinner.update)
    try:
        with Store.open(workspace) as store, notices().status(f"asking {asked.model} ..."):
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


def _provider(
    name: str,
    model: str | None,
    base_url: str | None,
    gguf: Path | None,
    timeout_s: float,
    on_progress: Callable[[str], None],
) -> Provider:
    """Make the provider that the options speak of.

    Raises:
        UnknownNameError: If there is no such provider.
        UsageError: If the options make none.
    """
    if name not in PROVIDERS:
        raise UnknownNameError("provider", name, PROVIDERS)
    if name == "local":
        if model is not None or base_url is not None:
            raise UsageError("--provider local takes --gguf, neither --model nor --base-url")
        from agents.llm.local import LocalProvider

        return LocalProvider(gguf, timeout_s=timeout_s, on_progress=on_progress)
    if gguf is not None:
        raise UsageError("--gguf needs --provider local")
    from agents.llm.openai import DEFAULT_MODEL, OpenAIProvider

    return OpenAIProvider(model or DEFAULT_MODEL, base_url=base_url, timeout_s=timeout_s)


def _summary(connection: Connection) -> Text:
    counted = connection.tokens_in is not None and connection.tokens_out is not None
    tokens = f"{connection.tokens_in} + {connection.tokens_out} tokens" if counted else "tokens not counted"
    known = connection.cost_usd is not None
    cost = f"{connection.cost_usd:.6f} USD" if known else "cost not known"
    dated = f" (list prices of {connection.prices})" if known and connection.prices else ""
    text = Text("works ", "bold green").append(f"{connection.provider} {connection.model}", "default")
    return text.append(f": {connection.seconds:.2f} s, {tokens}, {cost}{dated}", "default")
