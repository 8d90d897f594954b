"""The agent that reads a paper: what it says of a component, with the passages that say so."""
