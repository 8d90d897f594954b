"""A component that satisfies benchmarks/cards/product_key_memory.yaml."""

import torch
from torch import Tensor, nn


class ProductKeyMemory(nn.Module):
    """Sparse memory of keys^2 values, found through the products of two small sets of keys."""

    def __init__(self, d_model: int, keys: int = 16, top_k: int = 4):
        super().__init__()
        half = d_model // 2
        self.keys, self.top_k = keys, top_k
        self.query = nn.Sequential(nn.Linear(d_model, 2 * half, bias=False), nn.LayerNorm(2 * half))
        self.sub_keys = nn.Parameter(torch.randn(2, half, keys) * half**-0.5)
        self.values = nn.Parameter(torch.randn(keys * keys, d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        halves = self.query(x).unflatten(-1, (2, 1, -1))  # (B, T, 2, 1, D/2)
        scores, places = (halves @ self.sub_keys).squeeze(-2).topk(self.top_k, dim=-1)  # (B, T, 2, k)
        sums = (scores[..., 0, :, None] + scores[..., 1, None, :]).flatten(-2)  # (B, T, k k)
        slots = (places[..., 0, :, None] * self.keys + places[..., 1, None, :]).flatten(-2)
        best, which = sums.topk(self.top_k, dim=-1)
        values = self.values[slots.gather(-1, which)]  # (B, T, k, D)
        return (best.softmax(dim=-1).unsqueeze(-1) * values).sum(dim=-2)
