"""The same seed, the same losses: PyTorch's random state and its choice of kernels, borrowed and given back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic

from neuramosaic.seeds import stream_seed


@contextmanager
def torch_stream(seed: int, *names: str | int) -> Iterator[None]:
    """Let PyTorch draw from a named stream of `seed` inside the block; its own state is restored afterwards.

    Model code draws from the global generator (`nn.Linear` does), so this is the one place where it is touched.
    """
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(seed, *names))
        yield


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Use deterministic kernels where PyTorch has them inside the block; where it has none, it warns and goes on."""
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    # cuBLAS reads this when it is first used; without it, it may pick a different kernel each time.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every fresh tensor with NaN finds bugs, not nondeterminism, and costs a pass over memory.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
