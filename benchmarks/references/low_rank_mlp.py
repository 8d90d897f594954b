"""A component that satisfies benchmarks/cards/low_rank_mlp.yaml."""

import torch.nn.functional as F
from torch import Tensor, nn


class LowRankMLP(nn.Module):
    """Two-layer perceptron both of whose weight matrices are products of thin ones."""

    def __init__(self, d_model: int, rank: int = 16):
        super().__init__()
        self.up = nn.Sequential(nn.Linear(d_model, rank, bias=False), nn.Linear(rank, 4 * d_model))
        self.down = nn.Sequential(nn.Linear(4 * d_model, rank, bias=False), nn.Linear(rank, d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        return self.down(F.gelu(self.up(x)))
