"""Measuring what a freshly initialised model computes, so that a function is not trained twice."""

from __future__ import annotations

import copy

import torch
from torch import nn

from neuramosaic.training.determinism import deterministic_kernels, torch_stream
from neuramosaic.verify.fingerprint import PROJECTIONS, write

#: Noise put on every parameter: a gate that starts at zero would hide what lies behind it.
JITTER = 0.05
BATCH = 2


def function_of(model: nn.Module, *, vocab_size: int, sequence_length: int, seed: int) -> str | None:
    """Return the fingerprint of what a model computes at its initialisation.

    The logits on random tokens, of the length that it is trained at, are projected on random directions. Two models
    that compute the same function of their parameters have the same fingerprint if they draw the same initial values in
    the same order, as those do that differ in a setting without effect; if the order differs they look like two, and
    are trained twice. It runs in training mode, so that dropout counts, on a copy: the model and PyTorch's random state
    are left as they were.

    Args:
        model: Tokens `(B, T)` int64 to logits `(B, T, V)`, on the CPU; already initialised.
        vocab_size: V.
        sequence_length: T.
        seed: Of the trial; fingerprints of different seeds have nothing in common.

    Returns:
        None if the logits are not finite.
    """
    twin = copy.deepcopy(model).train()
    with torch_stream(seed, "fingerprint"), deterministic_kernels(), torch.no_grad():
        for parameter in twin.parameters():
            if torch.is_floating_point(parameter):
                parameter.add_(torch.randn_like(parameter), alpha=JITTER)
        tokens = torch.randint(vocab_size, (BATCH, sequence_length))
        along_time = torch.randn(PROJECTIONS, BATCH, sequence_length, dtype=torch.float64)
        along_vocabulary = torch.randn(PROJECTIONS, vocab_size, dtype=torch.float64)
        logits = twin(tokens).double()  # (B, T, V)
        size = float(logits.square().mean().sqrt())
        projections = torch.einsum("pbt,btv,pv->p", along_time, logits, along_vocabulary) / logits.numel() ** 0.5
    return write(size, projections.tolist())
