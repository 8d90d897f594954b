"""The literature agent: what is known, for a study's task and for what was observed in it."""

from agents.literature.agent import EVERY, Literature, due
from agents.literature.brief import Brief, Citation, Finding
from agents.literature.queries import Situation

__all__ = ["EVERY", "Brief", "Citation", "Finding", "Literature", "Situation", "due"]
