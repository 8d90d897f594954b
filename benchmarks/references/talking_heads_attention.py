"""A component that satisfies benchmarks/cards/held_out_2/talking_heads_attention.yaml."""

import math

import torch
from torch import Tensor, nn


class TalkingHeadsAttention(nn.Module):
    """Causal attention whose heads are mixed before and after the softmax."""

    def __init__(self, d_model: int, heads: int = 4, softmax_heads: int = 8):
        super().__init__()
        self.heads = heads
        self.head_dim = math.ceil(d_model / heads)
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.before = nn.Parameter(torch.randn(heads, softmax_heads) * heads**-0.5)
        self.after = nn.Parameter(torch.randn(softmax_heads, heads) * softmax_heads**-0.5)
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        dots = q @ k.mT * self.head_dim**-0.5
        logits = torch.einsum("bknm,kh->bhnm", dots, self.before)
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = logits.masked_fill(future, -math.inf).softmax(dim=-1)
        mixed = torch.einsum("bhnm,hv->bvnm", weights, self.after)
        return self.out((mixed @ v).transpose(1, 2).flatten(2))
