"""Batches: random ones to train on, fixed ones to evaluate on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuramosaic.errors import DataError
from neuramosaic.tasks.base import Split

#: Windows of one evaluation batch. Not the training batch size: every trial is evaluated on the same windows.
EVAL_BATCH_SIZE = 32


@dataclass(frozen=True)
class Batch:
    """Inputs, targets and which targets count.

    Attributes:
        inputs: Tokens, shape `(B, T)`, int64.
        targets: The token after each, shape `(B, T)`, int64.
        weights: Float of 0 and 1, shape `(B, T)`; None if every target counts.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None


@dataclass(frozen=True)
class TrainingData:
    """What one trial learns from and is measured on.

    Attributes:
        train: Split to train on.
        val: Split to evaluate on.
        vocab_size: Number of token values.
        sequence_length: T, in tokens.
        byte_level: Tokens are bytes.
    """

    train: Split
    val: Split
    vocab_size: int
    sequence_length: int
    byte_level: bool = False


def random_batches(
    split: Split, sequence_length: int, batch_size: int, *, rng: np.random.Generator, device: torch.device
) -> Iterator[Batch]:
    """Yield batches for ever, of windows (or fixed sequences) drawn uniformly with replacement.

    Raises:
        DataError: If the split holds no window of `sequence_length + 1` tokens.
    """
    rows, weights = _rows(split, sequence_length)
    while True:
        yield _batch(rows, weights, rng.integers(len(rows), size=batch_size), device)


def fixed_batches(split: Split, sequence_length: int, batches: int, *, device: torch.device) -> list[Batch]:
    """Return the evaluation batches: windows evenly spread over the split, the same for every model and seed.

    No token is predicted twice: a split too short for `batches * EVAL_BATCH_SIZE` windows gives fewer.

    Raises:
        DataError: If the split holds no window of `sequence_length + 1` tokens.
    """
    rows, weights = _rows(split, sequence_length)
    available = len(rows) if split.tokens.ndim == 2 else 1 + (len(rows) - 1) // sequence_length
    count = min(batches * EVAL_BATCH_SIZE, available)
    starts = np.linspace(0, len(rows) - 1, count).astype(np.int64)
    chunks = (starts[first : first + EVAL_BATCH_SIZE] for first in range(0, count, EVAL_BATCH_SIZE))
    return [_batch(rows, weights, chunk, device) for chunk in chunks]


def _rows(split: Split, sequence_length: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a view of every window of a stream, or the fixed sequences, shape `(N, T + 1)`."""
    tokens = np.asarray(split.tokens)
    if tokens.ndim == 2:
        if tokens.shape[1] != sequence_length + 1 or not len(tokens):
            raise DataError(f"sequences of shape {tokens.shape} do not fit sequence_length {sequence_length}")
        return tokens, split.weights
    if len(tokens) < sequence_length + 1:
        raise DataError(f"a split of {len(tokens)} tokens is too short for sequence_length {sequence_length}")
    return np.lib.stride_tricks.sliding_window_view(tokens, sequence_length + 1), None


def _batch(rows: np.ndarray, weights: np.ndarray | None, chosen: np.ndarray, device: torch.device) -> Batch:
    tokens = torch.from_numpy(rows[chosen].astype(np.int64)).to(device)  # (B, T + 1)
    counted = None if weights is None else torch.from_numpy(weights[chosen].astype(np.float32)).to(device)
    return Batch(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(), counted)
