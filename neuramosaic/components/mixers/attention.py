"""Softmax attention with grouped queries.

    y_i = sum_{j <= i} softmax_j(q_i . k_j / sqrt(d) + bias_ij) v_j

Groups of query heads share one key and value head (arXiv 2305.13245); with as many key-value heads as heads it is the
multi-head attention of arXiv 1706.03762.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Causal softmax attention; `position` may rotate queries and keys, and bias the logits.

    There are `gcd(heads, kv_heads)` key-value heads, so that every pair of settings is valid.
    """

    def __init__(self, d_model: int, heads: int = 4, kv_heads: int = 4, position: nn.Module | None = None):
        super().__init__()
        self.heads = heads
        self.kv_heads = math.gcd(heads, kv_heads)
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.position = position
        self.qkv = nn.Linear(d_model, (heads + 2 * self.kv_heads) * self.head_dim, bias=False)
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        B, T, _ = x.shape
        heads = self.qkv(x).view(B, T, -1, self.head_dim).transpose(1, 2)  # (B, H + 2K, T, hd)
        q, k, v = heads.split((self.heads, self.kv_heads, self.kv_heads), dim=1)
        bias = None
        if self.position is not None:
            q, k = self.position.rotate(q, k)
            bias = self.position.bias(self.heads, T, x.device)
        if bias is not None:
            future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
            bias = bias.to(q.dtype).masked_fill(future, -math.inf)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias, is_causal=bias is None, enable_gqa=self.kv_heads != self.heads
        )
        return self.out(y.transpose(1, 2).flatten(2))
