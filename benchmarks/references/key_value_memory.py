"""A component that satisfies benchmarks/cards/key_value_memory.yaml."""

import torch
from torch import Tensor, nn


class KeyValueMemory(nn.Module):
    """Attention over learned memory slots, per position, in several heads."""

    def __init__(self, d_model: int, heads: int = 4, slots: int = 64):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.query = nn.Linear(d_model, heads * self.head_dim, bias=False)
        self.keys = nn.Parameter(torch.randn(heads, slots, self.head_dim))
        self.values = nn.Parameter(torch.randn(heads, slots, self.head_dim))
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, hd)
        found = (q @ self.keys.mT * self.head_dim**-0.5).softmax(dim=-1) @ self.values
        return self.out(found.transpose(1, 2).flatten(2))
