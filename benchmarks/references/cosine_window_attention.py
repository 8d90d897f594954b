"""A component that satisfies benchmarks/cards/cosine_window_attention.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 32


class CosineWindowAttention(nn.Module):
    """Cosine attention over the last 32 positions, with a learned temperature per head, in linear time."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.qkv = nn.Linear(d_model, 3 * heads * self.head_dim, bias=False)
        self.log_sharpness = nn.Parameter(torch.full((heads, 1, 1, 1), math.log(10.0)))
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        qkv = F.pad(self.qkv(x), (0, 0, 0, -T % WINDOW)).unflatten(1, (-1, WINDOW))  # (B, N, W, 3 H hd)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)  # each (B, H, N, W, hd)
        q = F.normalize(q, dim=-1) * self.log_sharpness.clamp_max(math.log(100.0)).exp()
        k = F.normalize(k, dim=-1)
        # Each block sees the keys of the block before it and its own.
        k, v = (torch.cat((F.pad(part, (0, 0, 0, 0, 1, -1)), part), dim=3) for part in (k, v))
        query = torch.arange(WINDOW, 2 * WINDOW, device=x.device).unsqueeze(-1)
        key = torch.arange(2 * WINDOW, device=x.device)
        seen = ((key <= query) & (key > query - WINDOW)).repeat(q.shape[2], 1, 1)  # (N, W, 2 W)
        seen[0, :, :WINDOW] = False  # nothing comes before the first block
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=1.0)
        return self.out(y.flatten(2, 3)[:, :, :T].transpose(1, 2).flatten(2))
