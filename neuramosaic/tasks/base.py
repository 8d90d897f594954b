"""What a task is: a function of (settings, rng) to data, a metric with direction and unit, a sanity figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """One split of a task's data.

    Attributes:
        tokens: Token stream, shape `(N,)`, or fixed sequences, shape `(N, T + 1)`; uint8 or uint16.
        weights: None for a stream, where every next token counts; for sequences, which targets count, shape `(N, T)`,
            uint8 of 0 and 1 (`weights[i, t]` belongs to the prediction of `tokens[i, t + 1]`).
    """

    tokens: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class TaskData:
    """A task's data, ready to be written out for a sandbox.

    Attributes:
        splits: train, val and test; disjoint.
        vocab_size: Number of token values.
        sequence_length: T, in tokens.
        corpus: `sha256:...` of where the data came from, stored with every trial.
        byte_level: Tokens are bytes, so that bits per byte = loss / ln 2.
        facts: What a person would want to know: files, bytes per split ...
    """

    splits: Mapping[str, Split]
    vocab_size: int
    sequence_length: int
    corpus: str
    byte_level: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """What a study minimises.

    Attributes:
        name: Key in a trial's metrics.
        unit: Such as "nats per byte".
        direction: Always "minimise".
    """

    name: str = "val_loss"
    unit: str = "nats per token"
    direction: str = "minimise"


class Task(Protocol):
    """A task. Instances are made by the registry: `create_task("text:notes.txt", sequence_length=128)`."""

    name: str
    summary: str
    metric: Metric
    #: Tokens are bytes, so that bits per byte = val_loss / ln 2.
    byte_level: bool
    #: A published or derivable figure to check a run against, in words, with its source; None if there is none.
    sanity: str | None

    def settings(self) -> dict[str, Any]:
        """Return every setting with its value, JSON."""
        ...

    def load(self, rng: np.random.Generator) -> TaskData:
        """Make the data: the same for the same settings and generator.

        Raises:
            DataError: If a file is missing, unreadable, not UTF-8, or too short for the sequence length.
        """
        ...
