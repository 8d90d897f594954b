"""The built-in knowledge base: known architectural ideas, written by us, one YAML file for each family.

What stands here needs no network and no model: a study draws on it from its first trial on.
"""

from knowledge.ideas.idea import Idea, IdeaError, Realisation, as_papers, ideas, read_ideas
from knowledge.ideas.words import WordIndex

__all__ = ["Idea", "IdeaError", "Realisation", "WordIndex", "as_papers", "ideas", "read_ideas"]
