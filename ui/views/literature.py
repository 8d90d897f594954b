"""Literature: passages, papers, ingestion, the chain from passage to effect, the built-in ideas, and briefs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from agents.paper_reader.plain import plain as one_line
from graph.bookshelf import embedder_problem
from knowledge.ideas import WordIndex, as_papers, ideas
from knowledge.papers import Hit, Paper, Passage
from knowledge.shelf import BUILTIN, Shelf
from ui.figures import moment
from ui.views.chain import draw_chain
from ui.views.ingesting import draw_ingest
from ui.views.page import Page, empty, guarded, plain

SEARCH, PAPERS, INGEST, CHAIN, IDEAS, BRIEFS = "Search", "Papers", "Ingest", "From passage to effect", "Ideas", "Briefs"
#: Passages of a paper that are shown at once.
PAGE = 20
#: Kind of the journal lines that keep a brief.
BRIEF = "brief"


def render(page: Page) -> None:
    """Draw the view."""
    st.title("Literature")
    parts = {
        SEARCH: _search,
        PAPERS: _papers,
        INGEST: draw_ingest,
        CHAIN: draw_chain,
        IDEAS: _ideas,
        BRIEFS: _briefs,
    }
    chosen = st.segmented_control(
        "Show", list(parts), default=SEARCH, required=True, key="literature part", label_visibility="collapsed"
    )
    parts[chosen or SEARCH](page)


def _search(page: Page) -> None:
    text = st.text_input("What are you looking for?", key="passages", placeholder="forgetting in a linear recurrence")
    limit = st.select_slider("Passages", (5, 10, 20, 50), key="passages limit")
    if not text.strip():
        known = _paper_count(page)
        st.caption(f"{known} papers of this workspace and {len(ideas())} built-in ideas are searched.")
        return
    hits = _found(page, text, int(limit))
    if not hits:
        empty("Nothing is found. Other words may help; more papers come in under Ingest.")
    for hit in hits:
        _draw_hit(hit)


def _found(page: Page, text: str, limit: int) -> Sequence[Hit]:
    """Search the library; where there is none, or no embedder, what can be had without."""
    problem = embedder_problem()
    if not page.reader.exists:
        return WordIndex(as_papers(ideas()))(text, limit)
    with st.spinner("Searching (the first search loads the embedder) ..."):
        if problem is not None:
            st.caption(plain(f"By words alone: {problem}"))
            return page.reader.library().search(text, limit, by=("words",))
        return page.reader.library().search(text, limit)


def _draw_hit(hit: Hit) -> None:
    builtin = hit.passage.paper.startswith(BUILTIN)
    with st.container(border=True):
        where = "built-in knowledge" if builtin else f"page {hit.passage.page}"
        section = f", {one_line(hit.passage.section, 100)}" if hit.passage.section else ""
        st.markdown(f"**{plain(one_line(hit.title, 160))}**")
        found_by = f", by {' and '.join(hit.found_by)}" if hit.found_by else ""
        name = hit.passage.paper.removeprefix(BUILTIN)
        st.caption(plain(f"{name}{section}, {where}; score {hit.score:.4f}{found_by}"))
        st.text(one_line(hit.passage.text))


def _paper_count(page: Page) -> int:
    if not page.reader.exists:
        return 0
    return int(page.reader.store.rows("SELECT count(*) AS n FROM papers WHERE NOT builtin")[0]["n"])


def _papers(page: Page) -> None:
    papers = Shelf(page.reader.store).papers(builtin=False) if page.reader.exists else []
    if not papers:
        empty("This workspace has read no paper yet: Ingest takes some in, or", "neuramosaic ingest 1709.02755")
        return
    counts = {
        row["paper"]: row["n"]
        for row in page.reader.store.rows("SELECT paper, count(*) AS n FROM passages GROUP BY paper")
    }
    frame = pd.DataFrame(
        [
            {
                "paper": paper.id,
                "title": one_line(paper.title, 200),
                "published": paper.published[:10],
                "pages": paper.pages,
                "passages": counts.get(paper.id, 0),
                "from": one_line(paper.origin, 120),
            }
            for paper in papers
        ]
    )
    st.dataframe(frame, hide_index=True)
    names = {paper.id: one_line(paper.title, 80) for paper in papers}
    chosen = st.selectbox("Paper", list(names), format_func=lambda name: f"{name}  {names[name]}", key="paper")
    guarded(_paper)(page, next(paper for paper in papers if paper.id == chosen))


def _paper(page: Page, paper: Paper) -> None:
    from graph.readings import Readings

    st.markdown(f"#### {plain(one_line(paper.title, 200))}")
    facts = [", ".join(one_line(author, 60) for author in paper.authors[:6]), paper.published[:10], paper.origin]
    st.caption(plain(" · ".join(part for part in facts if part)))
    if paper.withdrawn:
        st.warning("Its authors withdrew this paper.", icon=":material/warning:")
    if paper.abstract:
        st.text(one_line(paper.abstract))
    found = Readings(page.reader.workspace).find(paper.sha256)
    if found is not None:
        st.markdown("**What was found in it**")
        st.text(f"{found.slot} {found.name}: {found.relation}" if found.relation != "none" else "no component")
        for reason in found.reasons:
            st.text(one_line(reason, 400))
        for item in found.nearest:
            st.text(f"near: {item.slot} {item.name} ({item.kind}, {item.similarity:.2f})")
    passages = Shelf(page.reader.store).passages(paper.id)
    sections = list(dict.fromkeys(passage.section for passage in passages))
    section = st.selectbox(
        "Section", ["", *sections], format_func=lambda name: one_line(name, 100) or "all", key="paper section"
    )
    chosen = [passage for passage in passages if section in ("", passage.section)]
    pages = -(-len(chosen) // PAGE)
    number = int(st.number_input("Page of passages", 1, max(1, pages), 1)) if pages > 1 else 1
    for passage in chosen[(number - 1) * PAGE : number * PAGE]:
        _passage(passage)


def _passage(passage: Passage) -> None:
    st.caption(plain(f"{passage.id}, page {passage.page}, {one_line(passage.section, 100)}, {passage.kind}"))
    st.text(one_line(passage.text))


def _ideas(page: Page) -> None:
    known = ideas()
    first, second = st.columns((1, 2))
    slots = sorted({str(idea.slot) for idea in known if idea.slot is not None})
    slot = first.selectbox("Slot", ["all", *slots, "whole model"], key="idea slot")
    text = second.text_input("Has the words", key="idea text").strip().lower()
    shown = [
        idea
        for idea in known
        if slot in ("all", str(idea.slot) if idea.slot else "whole model")
        if text in " ".join((idea.name, idea.words, idea.title, idea.changes, *idea.helps, idea.insight)).lower()
    ]
    if not shown:
        empty("No built-in idea is like this.")
        return
    frame = pd.DataFrame(
        [
            {
                "idea": idea.words,
                "slot": str(idea.slot) if idea.slot else "whole model",
                "year": idea.year,
                "reference": idea.reference,
                "in the catalogue": str(idea.component) if idea.component else "",
                "helps": "; ".join(idea.helps),
            }
            for idea in shown
        ]
    )
    st.caption(f"{len(shown)} of {len(known)} ideas")
    st.dataframe(frame, hide_index=True, height=300, column_config={"year": st.column_config.NumberColumn(format="%d")})
    name = st.selectbox("Idea", [idea.name for idea in shown], format_func=lambda item: item.replace("_", " "))
    idea = next((idea for idea in shown if idea.name == name), shown[0])
    st.markdown(f"#### {plain(idea.words)}")
    st.caption(plain(f"{idea.title}, {idea.reference}, {idea.year}"))
    for heading, words in (
        ("Changes", idea.changes),
        ("Helps", "; ".join(idea.helps)),
        ("Costs", idea.costs),
        ("Insight", idea.insight),
        ("Background", idea.background),
    ):
        if words:
            st.markdown(f"**{heading}**")
            st.text(words)
    if idea.equations:
        st.markdown("**Equations**")
        st.code("\n".join(idea.equations), language=None, wrap_lines=True)


def _briefs(page: Page) -> None:
    if page.study is None:
        empty("A study is given a brief of what is known when it begins. There is no study yet.")
        return
    briefs = page.reader.events(page.study, last=50, kinds=(BRIEF,))
    if not briefs:
        empty("This study was given no brief yet: its literature agent writes one when it begins.")
        return
    numbers = list(range(len(briefs)))[::-1]
    chosen = st.selectbox(
        "Brief",
        numbers,
        format_func=lambda n: f"after {briefs[n].data.get('after', 0)} finished trials, {moment(briefs[n].time)[:16]}",
    )
    brief = briefs[chosen if chosen is not None else numbers[0]]
    findings = brief.data.get("findings", [])
    st.markdown("**What was found for its task and for what was observed**")
    if not findings:
        st.caption("Nothing: this brief only names the papers behind the components.")
    for item in findings:
        with st.container(border=True):
            cited = str(item.get("paper", "")) + ("" if item.get("page") is None else f", page {item['page']}")
            st.markdown(f"**{plain(one_line(str(item.get('name', '')), 160))}**")
            st.caption(plain(f"{one_line(str(item.get('symptom', '')), 160)}; {cited}"))
            st.text(one_line(str(item.get("text", ""))))
            st.caption(plain(f"in this space: {item['component']}" if item.get("component") else "not in this space"))
    citations = brief.data.get("citations") or {
        name: paper for name, paper in brief.data.items() if ":" in name and isinstance(paper, str)
    }
    if citations:
        st.markdown("**Papers behind the components of its space**")
        rows = [{"component": name, "paper": str(paper)} for name, paper in citations.items()]
        st.dataframe(pd.DataFrame(rows), hide_index=True)
