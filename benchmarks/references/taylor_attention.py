"""A component that satisfies benchmarks/cards/held_out/taylor_attention.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 32
RANK = 8


def features(u: Tensor) -> Tensor:
    """Return [1, u / r^(1/4), vec(u u^T) / sqrt(2 r)] of `u`, shape (..., r)."""
    squares = (u.unsqueeze(-1) * u.unsqueeze(-2)).flatten(-2)
    return torch.cat((torch.ones_like(u[..., :1]), u * RANK**-0.25, squares * (2 * RANK) ** -0.5), dim=-1)


class TaylorAttention(nn.Module):
    """Linear attention whose kernel is the exponential's Taylor polynomial of second order."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        self.query_key = nn.Linear(d_model, 2 * heads * RANK, bias=False)
        self.value = nn.Linear(d_model, heads * self.head_dim, bias=False)
        self.out = nn.Linear(heads * self.head_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        q, k = (self.chunked(part) for part in self.query_key(x).chunk(2, dim=-1))  # each (B, H, N, C, r)
        # A last element of one, so that one sum holds both the numerator and the denominator.
        v = F.pad(self.chunked(self.value(x)), (0, 1), value=1.0)
        # Past the end a chunk is filled up with keys that only queries past the end see.
        s = q @ k.mT * RANK**-0.5
        within = (1 + s + s**2 / 2).tril() @ v
        written = features(k).mT @ v  # (B, H, N, 1 + r + r^2, hd + 1)
        before = written.cumsum(dim=2) - written
        sums = within + features(q) @ before
        o = (sums[..., :-1] / sums[..., -1:]).flatten(2, 3)[:, :, :T]
        return self.out(o.transpose(1, 2).flatten(2))

    def chunked(self, flat: Tensor) -> Tensor:
        """Cut (B, T, heads d) into heads and chunks, (B, heads, N, C, d)."""
        padded = F.pad(flat, (0, 0, 0, -flat.shape[1] % CHUNK))
        return padded.unflatten(-1, (self.heads, -1)).transpose(1, 2).unflatten(2, (-1, CHUNK))
