"""Weights as safetensors; tied weights are stored once."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_model, save_model
from torch import nn


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's parameters and buffers."""
    save_model(model, str(path))


def load_weights(model: nn.Module, path: Path) -> None:
    """Read into a model of the same shape what `save_weights` wrote.

    Raises:
        RuntimeError: If a tensor is missing, left over or of another shape.
    """
    load_model(model, str(path))
