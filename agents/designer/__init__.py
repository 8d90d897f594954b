"""The designer: decides what is tried next, and at which fidelity."""

from agents.designer.designer import Designer
from agents.designer.proposals import CardProposal, Proposal

__all__ = ["CardProposal", "Designer", "Proposal"]
