"""A component that satisfies benchmarks/cards/sink_attention.yaml."""

import math

import torch
from torch import Tensor, nn


class SinkAttention(nn.Module):
    """Softmax attention with a learned sink logit per head in the denominator."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.sink = nn.Parameter(torch.zeros(heads))
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        B, T, _ = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        logits = (q @ k.mT * self.head_dim**-0.5).masked_fill(future, -math.inf)
        sink = self.sink.view(1, -1, 1, 1).expand(B, -1, T, 1)
        weights = torch.cat((sink, logits), dim=-1).softmax(dim=-1)[..., 1:]
        return self.out((weights @ v).transpose(1, 2).flatten(2))
