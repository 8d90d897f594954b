"""What a message is said in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.conversation.vocabulary import Vocabulary


@dataclass(frozen=True)
class Situation:
    """What a message is said in.

    Attributes:
        vocabulary: Of the study that is looked at, or of the workspace.
        new: Of a new study: all that the workspace has.
        study: The study that is looked at; None if there is none.
        limits: Its limits by the option of `/budget`; what is missing or None is not limited.
        waiting: Numbers of the components that wait for a person.
    """

    vocabulary: Vocabulary
    new: Vocabulary
    study: str | None = None
    limits: Mapping[str, float | None] = field(default_factory=dict)
    waiting: tuple[int, ...] = ()
