"""The LangGraph state machine: state, nodes, routing, and the session that runs it in a process of its own."""
