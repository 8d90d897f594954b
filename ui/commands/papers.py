"""papers: what the workspace knows of the literature, with pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from neuramosaic.errors import UsageError
from ui.commands.opening import opened
from ui.failures import DONE
from ui.options import DEFAULT_WORKSPACE, AsJson, Workspace
from ui.output import print_json, results, say

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from agents.paper_reader.findings import PaperFindings
    from knowledge.papers import Hit, Paper
    from neuramosaic.store.records import WritingRecord
    from neuramosaic.store.store import Store

app = typer.Typer(rich_markup_mode="rich")


@app.callback(invoke_without_command=True)
def papers(
    context: typer.Context,
    search: Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Passages about this.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100, help="Passages, at most.")] = 5,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """List the papers that the workspace has read, or find passages in them and in the built-in ideas.

    Examples:
      neuramosaic papers
      neuramosaic papers --search "forgetting in a linear recurrence" --limit 3
      neuramosaic papers show 1709.02755
    """
    if context.invoked_subcommand is not None:
        sources = {name: context.get_parameter_source(name) for name in context.params}
        given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
        if given:
            option = f"--{given[0].removeprefix('as_')}"
            raise UsageError(f"{option} belongs behind the command: neuramosaic papers show ID {option} ...")
        return DONE
    if search is not None and not search.strip():
        raise UsageError("--search needs some words, such as 'linear attention'")
    if search is not None:
        return _search(search, limit, as_json, workspace)
    return _list(as_json, workspace)


@app.command("show")
def show_paper(
    paper: Annotated[str, typer.Argument(metavar="ID", help="A paper, such as 1709.02755.")],
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Show a paper: its sections with their pages, what was found in it, and the components that come from it.

    Example:
      neuramosaic papers show 1709.02755
    """
    from graph.bookshelf import workspace_library
    from graph.readings import Readings

    with opened(workspace) as store, workspace_library(store, workspace) as library:
        known = library.paper(paper)
        passages = library.passages(paper)
        found = Readings(workspace).find(known.sha256)
        writings = _writings(store, paper)
    sections: dict[str, list[int]] = {}
    for passage in passages:
        sections.setdefault(passage.section, []).append(passage.page)
    document = {
        **_facts(known, len(passages)),
        "abstract": known.abstract,
        "sections": [{"title": title, "page": pages[0], "passages": len(pages)} for title, pages in sections.items()],
        "findings": found.to_json() if found else None,
        "components": [_component(item) for item in writings],
    }
    if as_json:
        print_json(document)
    else:
        _print_paper(known, document, found, writings)
    return DONE


def _list(as_json: bool, workspace: Path) -> int:
    from graph.bookshelf import workspace_library
    from neuramosaic.store.store import FILE_NAME
    from ui.tables import plain_table

    if not (workspace / FILE_NAME).exists():
        rows: list[dict[str, Any]] = []
    else:
        with opened(workspace) as store, workspace_library(store, workspace) as library:
            rows = [
                {
                    **_facts(paper, len(library.passages(paper.id))),
                    "components": [_component(item) for item in _writings(store, paper.id)],
                }
                for paper in library.papers()
            ]
    if as_json:
        print_json(rows)
        return DONE
    if not rows:
        say("no paper yet: neuramosaic ingest reads some, such as 'neuramosaic ingest 1709.02755'")
        return DONE
    table = plain_table()
    for heading, right in (("paper", False), ("pages", True), ("passages", True)):
        table.add_column(heading, no_wrap=True, justify="right" if right else "left")
    table.add_column("title", ratio=1)
    table.add_column("components")
    for row in rows:
        names = ", ".join(_told(item) for item in row["components"])
        table.add_row(row["paper"], str(row["pages"]), str(row["chunks"]), Text(row["title"]), Text(names))
    results().print(table)
    return DONE


def _search(text: str, limit: int, as_json: bool, workspace: Path) -> int:
    from agents.paper_reader.plain import plain
    from graph.bookshelf import workspace_library
    from knowledge.shelf import BUILTIN
    from neuramosaic.store.store import Store

    with Store.open(workspace) as store, workspace_library(store, workspace) as library:
        hits: list[Hit] = library.search(text, limit)
    if as_json:
        print_json(
            {
                "query": text,
                "passages": [
                    {
                        "paper": hit.passage.paper,
                        "title": hit.title,
                        "section": hit.passage.section,
                        "page": hit.passage.page,
                        "text": hit.passage.text,
                        "score": hit.score,
                        "passage": hit.passage.id,
                        "kind": hit.passage.kind,
                        "builtin": hit.passage.paper.startswith(BUILTIN),
                    }
                    for hit in hits
                ],
            }
        )
        return DONE
    console = results()
    for hit in hits:
        builtin = hit.passage.paper.startswith(BUILTIN)
        head = Text(hit.passage.paper.removeprefix(BUILTIN), "bold cyan")
        head.append(", built-in knowledge" if builtin else f", page {hit.passage.page}", "default")
        head.append(f", {plain(hit.passage.section, 100)}" if hit.passage.section else "", "default")
        console.print(head.append(f"  {plain(hit.title, 120)} ({hit.score:.4f})", "dim"), soft_wrap=True)
        console.print(f"  {plain(hit.passage.text)}\n", markup=False, soft_wrap=not console.is_terminal)
    if not hits:
        say("nothing is found")
    return DONE


def _facts(paper: Paper, chunks: int) -> dict[str, Any]:
    from agents.paper_reader.plain import plain

    return {
        "paper": paper.id,
        "title": plain(paper.title),
        "authors": [plain(author) for author in paper.authors],
        "version": paper.version,
        "published": paper.published,
        "origin": plain(paper.origin),
        "pages": paper.pages,
        "chunks": chunks,
    }


def _writings(store: Store, paper: str) -> list[WritingRecord]:
    """Return the writings of a paper's cards, of each component the newest."""
    from neuramosaic.store.writings import Writings
    from ui.paper_chain import paper_of

    of_paper = [item for item in Writings(store).of_study(None) if paper_of(item) == paper]
    return list({(item.slot, item.name): item for item in of_paper}.values())


def _component(writing: WritingRecord) -> dict[str, Any]:
    return {
        "name": writing.name,
        "slot": writing.slot,
        "relation": writing.proposal.get("relation", ""),
        "state": str(writing.state),
        "verified": writing.version is not None,
        "version": writing.version,
        "writing": writing.id,
    }


def _told(item: dict[str, Any]) -> str:
    return f"{item['name']} ({item['relation']}{'' if item['verified'] else ', not verified'})"


def _print_paper(
    paper: Paper, document: dict[str, Any], found: PaperFindings | None, writings: list[WritingRecord]
) -> None:
    from agents.paper_reader.plain import plain

    console = results()
    console.print(Text(paper.id, "bold cyan").append(f"  {document['title']}", "bold"), soft_wrap=True)
    facts = [", ".join(document["authors"][:6]), document["published"][:10], document["origin"]]
    facts.append(f"{paper.pages} pages, {document['chunks']} passages")
    console.print(" · ".join(filter(None, facts)), markup=False, soft_wrap=True)
    console.print(Text("\nSections", "bold"))
    for section in document["sections"]:
        title = plain(section["title"], 120) or "(before any heading)"
        console.print(f"  page {section['page']:>3}  {title}", markup=False, soft_wrap=True)
    if found is not None:
        console.print(Text("\nWhat was found", "bold"))
        what = f"{found.slot} {found.name}: {found.relation}" if found.relation != "none" else "no component"
        console.print(f"  {what}", markup=False, soft_wrap=True)
        for reason in found.reasons:
            console.print(f"  {reason}", markup=False, soft_wrap=True)
        for item in found.nearest:
            line = f"  near: {item.slot} {item.name} ({item.kind}, {item.similarity:.2f})"
            console.print(line, markup=False, soft_wrap=True)
    if writings:
        console.print(Text("\nComponents", "bold"))
        for writing in writings:
            line = f"  {writing.slot} {writing.name}: {_told(_component(writing))}, writing {writing.id}"
            console.print(line, markup=False, soft_wrap=True)
            if writing.version:
                say(f"how it came to be: neuramosaic component show {writing.name}")
