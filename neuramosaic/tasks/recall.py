"""Multi-query associative recall: read key-value pairs, then say the value of each key that is asked for.

The task that separates mixers with enough memory from those without (arXiv 2312.04927, section 3; in-context recall in
arXiv 2403.17844). One sequence, for two pairs and T = 12, `.` being the filler::

    k7 v3 k2 v9 | .  .  k2 v9 .  .  k7 v3 .

Keys of a sequence are distinct, each is asked for once, at a random even place; only the values that answer count.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neuramosaic.canonical import content_id
from neuramosaic.errors import DataError, InvalidValueError
from neuramosaic.seeds import stream
from neuramosaic.tasks.base import SPLITS, Metric, Split, TaskData
from neuramosaic.tasks.settings import LONGEST_SEQUENCE, whole_number

_DRAWS_PER_SPLIT = 20


class Recall:
    """Multi-query associative recall.

    Args:
        sequence_length: T; at least four tokens for each pair.
        pairs: Key-value pairs of a sequence.
        keys: Number of key tokens.
        values: Number of value tokens.
        train_sequences: Distinct sequences to train on.
        val_sequences: Distinct sequences to validate on, and again as many to test on.
    """

    name = "recall"
    summary = "multi-query associative recall: the value of each key that was shown before (synthetic)"
    metric = Metric("val_loss", "nats per recalled value")
    byte_level = False

    def __init__(
        self,
        *,
        sequence_length: int = 32,
        pairs: int = 8,
        keys: int = 16,
        values: int = 16,
        train_sequences: int = 20_000,
        val_sequences: int = 512,
    ) -> None:
        self.sequence_length = whole_number("task.sequence_length", sequence_length, 8, LONGEST_SEQUENCE)
        self.pairs = whole_number("task.pairs", pairs, 1, 4096)
        self.keys = whole_number("task.keys", keys, self.pairs, 16_384)
        self.values = whole_number("task.values", values, 2, 16_384)
        self.train_sequences = whole_number("task.train_sequences", train_sequences, 1, 2_000_000)
        self.val_sequences = whole_number("task.val_sequences", val_sequences, 1, 100_000)
        if sequence_length < 4 * pairs:
            raise InvalidValueError("task.pairs", pairs, f"at most sequence_length / 4 = {sequence_length // 4}")
        self.sanity: str | None = (
            f"a uniform guess over the values is ln {values} = {math.log(values):.2f} nats; a model that recalls is "
            "near 0 (arXiv 2312.04927: attention solves it)"
        )

    def settings(self) -> dict[str, Any]:
        """Return every setting with its value."""
        names = ("sequence_length", "pairs", "keys", "values", "train_sequences", "val_sequences")
        return {name: getattr(self, name) for name in names}

    def load(self, rng: np.random.Generator) -> TaskData:
        """Draw the three splits from three named streams, without a sequence that occurs twice.

        Raises:
            DataError: If the settings allow too few distinct sequences.
        """
        seed = int(rng.integers(2**63))
        counts = {"train": self.train_sequences, "val": self.val_sequences, "test": self.val_sequences}
        splits: dict[str, Split] = {}
        # The small splits first: what they hold is then left out of train, never the other way round.
        taken: set[bytes] = set()
        for name in reversed(SPLITS):
            tokens = self._distinct(counts[name], stream(seed, "recall", name), taken)
            splits[name] = Split(tokens, self._weights(tokens))
        assert len(taken) == sum(counts.values()), "a sequence lies in two splits"
        return TaskData(
            splits={name: splits[name] for name in SPLITS},
            vocab_size=self.keys + self.values + 1,
            sequence_length=self.sequence_length,
            corpus=content_id({"task": self.name, "seed": seed, "settings": self.settings()}),
            facts={"sequences": counts, "uniform_guess_nats": math.log(self.values)},
        )

    def _distinct(self, count: int, rng: np.random.Generator, taken: set[bytes]) -> np.ndarray:
        rows: list[np.ndarray] = []
        for _ in range(_DRAWS_PER_SPLIT):
            for row in self._draw(count, rng):
                if len(rows) < count and row.tobytes() not in taken:
                    taken.add(row.tobytes())
                    rows.append(row)
            if len(rows) == count:
                return np.stack(rows)
        raise DataError(
            f"recall: {self.pairs} pairs of {self.keys} keys and {self.values} values give too few distinct sequences "
            f"for {count}: raise keys, values or pairs, or ask for fewer sequences"
        )

    def _draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw sequences, shape `(count, T + 1)`: keys are 0 .. keys-1, values follow, the filler is the last token."""
        length, pairs = self.sequence_length + 1, self.pairs
        keys = rng.random((count, self.keys)).argsort(axis=1)[:, :pairs]
        values = self.keys + rng.integers(self.values, size=(count, pairs))
        tokens = np.full((count, length), self.keys + self.values, dtype=np.uint16)
        tokens[:, 0 : 2 * pairs : 2] = keys
        tokens[:, 1 : 2 * pairs : 2] = values
        places = (length - 2 * pairs) // 2
        # For each pair one place, in random order: which key is asked for when.
        chosen = 2 * pairs + 2 * rng.random((count, places)).argsort(axis=1)[:, :pairs]
        np.put_along_axis(tokens, chosen, keys.astype(np.uint16), axis=1)
        np.put_along_axis(tokens, chosen + 1, values.astype(np.uint16), axis=1)
        return tokens

    def _weights(self, tokens: np.ndarray) -> np.ndarray:
        """Return which targets count, shape `(N, T)`: those that follow a key which is asked for."""
        weights = (tokens[:, :-1] < self.keys).astype(np.uint8)
        weights[:, : 2 * self.pairs] = 0
        return weights
