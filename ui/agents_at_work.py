"""Who is at work in a running study, as its journal tells, and the picture of that."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from neuramosaic.store.records import Event

#: The agents in the order in which they act, with what each does.
AGENTS: Mapping[str, str] = {
    "literature": "says what papers and built-in ideas know",
    "designer": "proposes architectures, promotes the best",
    "coder": "writes each model, and components that are lacking",
    "runner": "verifies and trains in the sandbox",
    "analyst": "says where the study stands, and writes the report",
}
#: Who is at work after a line of the journal: its agent is done with its step, or in the middle of it.
_NEXT = {
    ("literature", "brief"): "designer",
    ("designer", "proposed"): "coder",
    ("designer", "promoted"): "coder",
    ("designer", "card"): "coder",
    ("designer", "joined"): "designer",
    ("designer", "model"): "designer",
    ("coder", "coded"): "runner",
    ("coder", "writing"): "coder",
    ("coder", "written"): "runner",
    ("runner", "started"): "runner",
    ("runner", "finished"): "analyst",
    ("runner", "sandbox"): "runner",
    ("analyst", "standing"): "designer",
    ("analyst", "report"): "analyst",
}
_EDGES = (
    ("literature", "designer"), ("designer", "coder"), ("coder", "runner"), ("runner", "analyst"),
    ("analyst", "designer"), ("analyst", "report"), ("runner", "pause"), ("pause", "runner"),
)  # fmt: skip


def at_work(last: Mapping[str, Event], running_trials: int) -> set[str]:
    """Return the agents at work in a study that a process runs.

    Args:
        last: The newest line of each agent.
        running_trials: Trials that are trained now: the runner waits for them, whatever the others do.
    """
    active = {"runner"} if running_trials else set()
    newest = max((event for event in last.values() if event.agent in AGENTS), key=lambda event: event.id, default=None)
    if newest is not None:
        active.add(_NEXT.get((newest.agent, newest.kind), newest.agent))
    return active


def graph_dot(active: Collection[str], *, ended: bool, paused: bool, dark: bool) -> str:
    """Return the graph of a study in the DOT language, its active agents filled.

    Args:
        active: Who is at work.
        ended: Whether the report is written.
        paused: Whether it was stopped in good order.
        dark: Whether it is drawn on a dark page.
    """
    line, text, fill = ("#9aa0a6", "#e8eaed", "#0b5f8f") if dark else ("#5f6368", "#202124", "#9bd0f0")
    nodes = []
    lit = {*active, *(("report",) if ended else ()), *(("pause",) if paused else ())}
    for name in (*AGENTS, "report", "pause"):
        shape = "box" if name in AGENTS else "note" if name == "report" else "octagon"
        style = "rounded,filled" if name in AGENTS else "filled"
        paint = f'fillcolor="{fill}", penwidth=2.5' if name in lit else 'fillcolor="transparent", penwidth=1'
        nodes.append(f'  {name} [shape={shape}, style="{style}", {paint}]')
    edges = [f"  {begin} -> {end}" for begin, end in _EDGES]
    return "\n".join(
        [
            "digraph {",
            '  graph [rankdir=TB, bgcolor="transparent", nodesep=0.3, ranksep=0.3, margin=0]',
            f'  node [fontname="sans-serif", fontsize=13, color="{line}", fontcolor="{text}", margin="0.18,0.07"]',
            f'  edge [color="{line}", arrowsize=0.7]',
            *nodes,
            *edges,
            "}",
        ]
    )
