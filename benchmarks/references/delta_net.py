"""A component that satisfies benchmarks/cards/delta_net.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 32
TAPS = 4


def delta_rule(q: Tensor, k: Tensor, v: Tensor, b: Tensor) -> Tensor:
    """Return o_t = q_t S_t with S_t = (I - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t^T, chunk by chunk.

    Args:
        q: Queries, shape (B, H, N, C, d), for N chunks of C positions.
        k: Keys of length 1, same shape.
        v: Values, same shape.
        b: Strengths, shape (B, H, N, C, 1).
    """
    # What a chunk writes, u_i = b_i (v_i - k_i S_(i-1)), solves a triangular system.
    unit = torch.eye(k.shape[3], device=k.device, dtype=k.dtype)
    inverse = torch.linalg.solve_triangular((b * k @ k.mT).tril(-1) + unit, unit, upper=False, unitriangular=True)
    values, taken = inverse @ (b * v), inverse @ (b * k)
    inner = (q @ k.mT).tril()
    state, outputs = torch.zeros_like(k[:, :, 0].mT @ v[:, :, 0]), []
    for n in range(k.shape[2]):
        written = values[:, :, n] - taken[:, :, n] @ state
        outputs.append(q[:, :, n] @ state + inner[:, :, n] @ written)
        state = state + k[:, :, n].mT @ written
    return torch.stack(outputs, dim=2)


class DeltaNet(nn.Module):
    """Delta rule over a matrix state per head, parallel over the positions of a chunk."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.conv = nn.Conv1d(3 * inner, 3 * inner, TAPS, groups=3 * inner)
        self.strength = nn.Linear(d_model, heads, bias=False)
        self.norm_weight = nn.Parameter(torch.ones(self.head_dim))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        past = F.pad(self.qkv(x).transpose(1, 2), (TAPS - 1, 0))
        qkv = F.silu(self.conv(past)).transpose(1, 2)
        qkv, b = (
            F.pad(part, (0, 0, 0, -T % CHUNK)).unflatten(1, (-1, CHUNK)) for part in (qkv, self.strength(x).sigmoid())
        )
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)  # each (B, H, N, C, hd)
        o = delta_rule(F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, b.permute(0, 3, 1, 2).unsqueeze(-1))
        o = F.rms_norm(o, (self.head_dim,), self.norm_weight).flatten(2, 3)[:, :, :T]
        return self.out(o.transpose(1, 2).flatten(2))
