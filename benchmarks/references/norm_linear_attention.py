"""A component that satisfies benchmarks/cards/norm_linear_attention.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 32


class NormLinearAttention(nn.Module):
    """Linear attention without a denominator, its output normalised per head instead."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.norm_weight = nn.Parameter(torch.ones(self.head_dim))
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        qkv = F.pad(self.qkv(x), (0, 0, 0, -T % CHUNK)).unflatten(1, (-1, CHUNK))  # (B, N, C, 3 H hd)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)  # each (B, H, N, C, hd)
        q, k = 1 + F.elu(q), 1 + F.elu(k)
        written = k.mT @ v
        before = written.cumsum(dim=2) - written  # the state that each chunk finds
        o = q @ before + (q @ k.mT).tril() @ v
        o = F.rms_norm(o, (self.head_dim,), self.norm_weight).flatten(2, 3)[:, :, :T]
        return self.out(o.transpose(1, 2).flatten(2))
