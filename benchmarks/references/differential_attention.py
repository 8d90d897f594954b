"""A component that satisfies benchmarks/cards/differential_attention.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

START = 0.8


class DifferentialAttention(nn.Module):
    """The difference of two softmax attention maps, with a learned weight, normalised per head."""

    def __init__(self, d_model: int, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (4 * heads)))  # of each of the two parts
        inner = 2 * heads * self.head_dim
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.first = nn.Parameter(0.1 * torch.randn(2, self.head_dim))  # query and key of the first map
        self.second = nn.Parameter(0.1 * torch.randn(2, self.head_dim))
        self.norm_weight = nn.Parameter(torch.ones(2 * self.head_dim))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k = (part.unflatten(-1, (self.heads, 2, -1)).permute(3, 0, 2, 1, 4) for part in (q, k))  # (2, B, H, T, hd)
        v = v.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, 2 hd)
        first, second = (F.scaled_dot_product_attention(q[part], k[part], v, is_causal=True) for part in (0, 1))
        weight = self.first.prod(dim=0).sum().exp() - self.second.prod(dim=0).sum().exp() + START
        o = (1 - START) * F.rms_norm(first - weight * second, (2 * self.head_dim,), self.norm_weight)
        return self.out(o.transpose(1, 2).flatten(2))
