"""The graph: literature -> designer -> coder -> runner -> analyst -> (designer | report), with a pause for a person."""

from __future__ import annotations

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph import nodes
from graph.lab import Lab
from graph.routing import after_analyst, after_runner
from graph.state import StudyInput, StudyState

StudyGraph = CompiledStateGraph[StudyState, Lab, StudyInput, StudyState]


def build_graph(checkpointer: BaseCheckpointSaver[str] | None = None) -> StudyGraph:
    """Compile the graph.

    Args:
        checkpointer: Where its state is kept between steps; None to keep nothing.
    """
    graph = StateGraph(StudyState, context_schema=Lab, input_schema=StudyInput)
    for node in (nodes.literature, nodes.designer, nodes.coder, nodes.runner, nodes.pause, nodes.analyst, nodes.report):
        graph.add_node(node)
    graph.add_edge(START, "literature")
    graph.add_edge("literature", "designer")
    graph.add_edge("designer", "coder")
    graph.add_edge("coder", "runner")
    graph.add_conditional_edges("runner", after_runner)
    graph.add_edge("pause", "runner")
    graph.add_conditional_edges("analyst", after_analyst)
    graph.add_edge("report", END)
    return graph.compile(checkpointer=checkpointer)
