"""Dynamic tanh: a squashing in the place of a normalisation, without statistics of the input.

    y = w * tanh(alpha * x) + b

arXiv 2503.10622.
"""

import torch
from torch import Tensor, nn


class DyT(nn.Module):
    """Element-wise tanh with a learned slope, then scale and shift."""

    def __init__(self, d_model: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), 0.5))
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Squash `x`, shape (B, T, D)."""
        return torch.addcmul(self.bias, self.weight, torch.tanh(self.alpha * x))
