"""A component that satisfies benchmarks/cards/held_out_2/stick_breaking_attention.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StickBreakingAttention(nn.Module):
    """Attention in which each key, from the present backwards, takes a share of the weight that is left."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = math.ceil(d_model / heads)
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        logits = q @ k.mT * self.head_dim**-0.5  # a row for each query
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        left = F.logsigmoid(-logits).masked_fill(future, 0.0)  # log(1 - beta)
        later = left.flip(-1).cumsum(dim=-1).flip(-1) - left  # of the keys between this one and the query
        weights = (F.logsigmoid(logits) + later).masked_fill(future, -math.inf).exp()
        return self.out((weights @ v).transpose(1, 2).flatten(2))
