"""ingest: papers in, components out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from neuramosaic.errors import UnknownNameError
from ui.failures import DONE, FAILED, complain
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
from ui.output import print_json, results, say

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from agents.llm.client import LanguageModel
    from agents.llm.providers import ProviderChoice
    from graph.idea import Caps
    from graph.ingest_record import IngestRecord
    from neuramosaic.store.store import Store

app = typer.Typer(rich_markup_mode="rich")
PANEL = "Papers"
#: Who can be asked.
PROVIDERS = ("none", "local", "openai")
STYLES = {"failed": "bold red", "unfinished": "yellow", "known": "dim"}


@app.command("ingest", rich_help_panel=PANEL)
def ingest_papers(
    references: Annotated[
        list[str], typer.Argument(metavar="REF...", help="arXiv ids, PDF files, folders of them, arXiv searches.")
    ],
    most: Annotated[
        int, typer.Option("--max", metavar="N", min=1, max=2000, help="Papers of each search, at most.")
    ] = 10,
    llm: Annotated[
        str,
        typer.Option("--llm", metavar="none|local|openai", help="Who reads and writes.", rich_help_panel=LLM_PANEL),
    ] = "none",
    model: ModelName = None,
    base_url: BaseUrl = None,
    gguf: ModelFile = None,
    max_usd: MaxUsd = None,
    max_llm_tokens: MaxLlmTokens = None,
    no_write: Annotated[bool, typer.Option("--no-write", help="Make cards, but write no code.")] = False,
    sandbox: SandboxName = None,
    again: Annotated[bool, typer.Option("--again", help="Read and write anew what the workspace has.")] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Read papers: index them for search, and turn what they describe into verified components with their citation.

    Without a language model they are indexed, and the nearest known components are told. What is done is not done
    again: after a Ctrl-C or a cap the same command goes on. Exit status 1 if a paper could not be read or finished.

    Examples:
      neuramosaic ingest 1709.02755 --llm local
      neuramosaic ingest papers/ more/paper.pdf
      neuramosaic ingest 'cat:cs.LG AND abs:"linear attention"' --max 20 --llm openai --max-usd 1
    """
    from agents.llm.providers import ProviderChoice, check_provider
    from graph.idea import Caps
    from neuramosaic.store.store import Store
    from neuramosaic.study import parse_count
    from sandbox.process import WARNING

    if llm not in PROVIDERS:
        raise UnknownNameError("language model", llm, PROVIDERS)
    caps = Caps(parse_count(max_llm_tokens) if max_llm_tokens else None, max_usd)
    choice = None
    if llm != "none":
        choice = ProviderChoice(llm, model=model, url=base_url, gguf=gguf)
        check_provider(choice, max_usd=max_usd)
    if sandbox is not None:
        from sandbox.registry import BACKENDS

        if sandbox not in ("auto", *BACKENDS):
            raise UnknownNameError("sandbox", sandbox, ("auto", *BACKENDS))
    if sandbox == "process" and choice is not None and not no_write:
        say(WARNING, "yellow")
    records: list[IngestRecord] = []
    stopped = False
    with Store.open(workspace) as store:
        try:
            for record in _ingested(
                references, store, workspace, choice, caps, sandbox, write=not no_write, again=again, most=most
            ):
                records.append(record)
                if not as_json:
                    _print(record)
        except KeyboardInterrupt:
            stopped = True
    if as_json:
        print_json([record.to_json() for record in records])
    if stopped:
        complain("stopped; what is done is kept, and the same command goes on from there")
        return FAILED
    return _conclude(records)


def _ingested(
    references: list[str],
    store: Store,
    workspace: Path,
    choice: ProviderChoice | None,
    caps: Caps,
    sandbox: str | None,
    *,
    write: bool,
    again: bool,
    most: int,
) -> Any:
    """Yield what came of each paper."""
    from graph.bookshelf import workspace_library
    from graph.ingesting import Desk, ingest
    from graph.readings import FOLDER
    from knowledge.embedding import LocalEmbedder
    from knowledge.fetching import ArxivClient
    from knowledge.ideas import ideas

    embedder = LocalEmbedder()
    with workspace_library(store, workspace, embedder) as library:
        desk = Desk(
            library,
            lambda: ArxivClient(workspace / FOLDER / "arxiv"),
            model=None if choice is None else _starting(choice, store, caps),
            ideas=ideas(),
            embedder=embedder,
            backend=sandbox or "auto",
            write=write,
            again=again,
            say=say,
        )
        yield from ingest(references, store, workspace, desk, most=most)


def _starting(choice: ProviderChoice, store: Store, caps: Caps) -> Callable[[ExitStack], LanguageModel]:
    """Return what starts the language model, once it is needed."""
    from graph.idea import asked

    def start(opened: ExitStack) -> LanguageModel:
        say("starting the language model ...")
        return opened.enter_context(asked(choice, store, caps, say))

    return start


def _print(record: IngestRecord) -> None:
    console = results()
    line = Text(record.status, STYLES.get(record.status, "bold green")).append(
        f"  {record.paper or record.ref}", "bold"
    )
    if record.title:
        line.append(f"  {record.title}", "default").append(f" ({record.pages} pages, {record.chunks} passages)", "dim")
    console.print(line, soft_wrap=True)
    for item in record.components:
        told = f"  {item['slot']} {item['name']}: {item['relation']}"
        if "verified" in item:
            told += ", verified" if item["verified"] else ", not verified"
        console.print(told, markup=False, soft_wrap=True)
        if item.get("file"):
            console.print(f"  code: {item['file']}", markup=False, soft_wrap=True)
    if record.nearest:
        near = ", ".join(f"{item['name']} ({item['kind']}, {item['similarity']:.2f})" for item in record.nearest[:5])
        console.print(f"  nearest: {near}", markup=False, soft_wrap=True)
    if record.message:
        console.print(f"  {record.message}", markup=False, soft_wrap=True)


def _conclude(records: list[IngestRecord]) -> int:
    wrong = [record for record in records if not record.done]
    if not wrong:
        return DONE
    failed = sum(record.status == "failed" for record in wrong)
    parts = [f"{failed} failed"] if failed else []
    if len(wrong) > failed:
        parts.append(f"{len(wrong) - failed} not finished, the same command goes on with them")
    complain(f"of {len(records)} papers {'; '.join(parts)}: {wrong[0].ref}: {wrong[0].message}")
    return FAILED
