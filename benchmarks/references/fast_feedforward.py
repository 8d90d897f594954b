"""A component that satisfies benchmarks/cards/held_out_2/fast_feedforward.yaml."""

import torch
from torch import Tensor, nn


class FastFeedforward(nn.Module):
    """Small perceptrons at the leaves of a binary tree, mixed by the sigmoids of its nodes."""

    def __init__(self, d_model: int, depth: int = 2, leaf_width: int = 32):
        super().__init__()
        self.depth, self.leaf_width = depth, leaf_width
        leaves = 2**depth
        self.nodes = nn.Linear(d_model, leaves - 1)  # level by level: node (m, n) is number 2^m - 1 + n
        self.up = nn.Linear(d_model, leaves * leaf_width)
        self.down = nn.Linear(leaves * leaf_width, d_model, bias=False)
        self.bias = nn.Parameter(torch.zeros(leaves, d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        choices = self.nodes(x).sigmoid()
        weights = torch.ones_like(choices[..., :1])  # of the nodes of a level
        for level in range(self.depth):
            c = choices[..., 2**level - 1 : 2 ** (level + 1) - 1]
            weights = torch.stack((weights * c, weights * (1 - c)), dim=-1).flatten(-2)
        h = self.up(x).relu().unflatten(-1, (-1, self.leaf_width)) * weights.unsqueeze(-1)
        return self.down(h.flatten(-2)) + weights @ self.bias
