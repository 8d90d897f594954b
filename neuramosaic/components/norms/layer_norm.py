"""Layer normalisation.

    y = w * (x - mean(x)) / sqrt(var(x) + eps) + b

arXiv 1607.06450.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """Zero mean and unit variance over the channels, then scale and shift."""

    def __init__(self, d_model: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x`, shape (B, T, D)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)
