"""A component that satisfies benchmarks/cards/held_out_2/partial_rms_norm.yaml."""

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-6


class PartialRMSNorm(nn.Module):
    """Divides by the root mean square of the first part of the features."""

    def __init__(self, d_model: int, fraction: float = 0.5):
        super().__init__()
        self.seen = math.ceil(d_model * fraction)
        self.gain = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x`, shape (B, T, D)."""
        square = x[..., : self.seen].square().mean(dim=-1, keepdim=True)
        return self.gain * x * (square + EPSILON).rsqrt()
