"""Softmax attention over the last `window` positions, in time linear in T.

    y_i = sum_{i - window < j <= i} softmax_j(q_i . k_j / sqrt(d) + bias_ij) v_j

The sequence is cut into blocks of `window`; a query sees its own block and the one before it, and a band of the two is
all that it needs (Longformer, arXiv 2004.05150).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SlidingAttention(nn.Module):
    """Causal softmax attention within a window; `position` may rotate queries and keys, and bias the logits."""

    def __init__(self, d_model: int, heads: int = 4, window: int = 64, position: nn.Module | None = None):
        super().__init__()
        self.heads = heads
        self.window = window
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.position = position
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        B, T, _ = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        if self.position is not None:
            q, k = self.position.rotate(q, k)
        size = min(self.window, T)
        q, k, v = (F.pad(part, (0, 0, 0, -T % size)).unflatten(2, (-1, size)) for part in (q, k, v))  # (B, H, N, W, hd)
        # Each block sees the keys of the block before it and its own.
        k, v = (torch.cat((F.pad(part, (0, 0, 0, 0, 1, -1)), part), dim=3) for part in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask(q))
        return self.out(y.flatten(2, 3)[:, :, :T].transpose(1, 2).flatten(2))

    def mask(self, q: Tensor) -> Tensor:
        """Return what is added to the logits of each block, shape (1 or H, N, W, 2W), for `q` of (B, H, N, W, hd)."""
        _, _, N, W, _ = q.shape
        query = torch.arange(W, 2 * W, device=q.device)[:, None]
        key = torch.arange(2 * W, device=q.device)[None]
        seen = (key <= query) & (key > query - self.window)
        seen = seen.repeat(N, 1, 1)
        seen[0, :, :W] = False  # nothing comes before the first block
        bias = None if self.position is None else self.position.bias(self.heads, 2 * W, q.device)
        rows = q.new_zeros(1, 1, W, 2 * W) if bias is None else bias[:, None, W:].to(q.dtype)  # a bias is relative
        return rows.masked_fill(~seen, -math.inf)
