"""A component that satisfies benchmarks/cards/held_out/forgetting_attention.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ForgettingAttention(nn.Module):
    """Softmax attention whose logits are lowered by the forget gates that lie between query and key."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.forget = nn.Linear(d_model, heads)
        nn.init.zeros_(self.forget.bias)
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        kept = F.logsigmoid(self.forget(x)).cumsum(dim=1).mT  # (B, H, T)
        logits = q @ k.mT * self.head_dim**-0.5 + kept.unsqueeze(-1) - kept.unsqueeze(-2)
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = logits.masked_fill(future, -math.inf).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))
