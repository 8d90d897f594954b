"""A component that satisfies benchmarks/cards/lp_norm.yaml."""

import torch
from torch import Tensor, nn


class LpNorm(nn.Module):
    """Normalisation by the p-norm of the channels, with a learned scale."""

    def __init__(self, d_model: int, p: int = 4):
        super().__init__()
        self.p = p
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x`, shape (B, T, D)."""
        mean = x.abs().pow(self.p).mean(dim=-1, keepdim=True)
        return self.weight * x * (mean + 1e-6).pow(-1 / self.p)
