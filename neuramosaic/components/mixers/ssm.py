"""Selective state-space model in its SSD form (Mamba-2, arXiv 2405.21060).

    S_t = exp(-dt_t A_h) S_(t-1) + dt_t B_t x_t^T,    y_t = C_t S_t + D_h x_t

per head h, with step size dt, input map B and output map C that depend on the input, B and C shared by the heads.
Computed in chunks: attention within a chunk, one state carried from chunk to chunk.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def ssd(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, chunk: int = 64) -> Tensor:
    """Return y_t = C_t S_t of the recurrence S_t = exp(log_decay_t) S_(t-1) + B_t x_t^T, chunk by chunk.

    Args:
        x: Inputs, shape (b, T, H, P).
        log_decay: Not above 0, shape (b, T, H).
        B: Input maps, shape (b, T, N).
        C: Output maps, shape (b, T, N).
        chunk: Time steps per chunk.
    """
    T = x.shape[1]
    size = min(chunk, T)
    rest = -T % size
    x = F.pad(x, (0, 0, 0, 0, 0, rest)).unflatten(1, (-1, size)).transpose(2, 3)  # (b, n, H, c, P)
    total = F.pad(log_decay, (0, 0, 0, rest)).unflatten(1, (-1, size)).transpose(2, 3).cumsum(-1)  # (b, n, H, c)
    B, C = (F.pad(part, (0, 0, 0, rest)).unflatten(1, (-1, size)).unsqueeze(2) for part in (B, C))  # (b, n, 1, c, N)

    future = torch.ones(size, size, dtype=torch.bool, device=x.device).triu(1)
    between = (total.unsqueeze(-1) - total.unsqueeze(-2)).masked_fill(future, -math.inf).exp()  # decay from j to i
    y = (C @ B.mT * between) @ x

    end = total[..., -1:]
    updates = (B.mT @ (x * (end - total).exp().unsqueeze(-1))).unbind(1)  # n of (b, H, N, P)
    decays = end.exp().unsqueeze(-1).unbind(1)
    state = torch.zeros_like(updates[0])
    states = [state]
    for decay, update in zip(decays[:-1], updates[:-1], strict=True):
        state = decay * state + update
        states.append(state)
    y = y + (C @ torch.stack(states, dim=1)) * total.exp().unsqueeze(-1)
    y = y.transpose(2, 3).flatten(1, 2)
    return y[:, :T] if rest else y


class SSM(nn.Module):
    """Selective state-space mixer: short convolution, SSD recurrence, skip, gate, norm."""

    def __init__(self, d_model: int, heads: int = 4, state: int = 16, expansion: int = 1):
        super().__init__()
        head_dim = max(2, 2 * (expansion * d_model // (2 * heads)))
        inner = heads * head_dim
        self.widths = (inner, inner + 2 * state, heads)  # gate; input, B and C; step size
        self.inner_widths = (inner, state, state)
        self.heads = heads
        self.in_proj = nn.Linear(d_model, sum(self.widths), bias=False)
        self.conv = nn.Conv1d(inner + 2 * state, inner + 2 * state, 4, groups=inner + 2 * state)
        # Steps of 0.1, and rates that let the heads remember for 4 to 256 positions, evenly spaced in the logarithm.
        memory = 4 * 64 ** ((torch.arange(heads) + 0.5) / heads)
        self.log_rate = nn.Parameter((10 / memory).log())
        self.step_bias = nn.Parameter(torch.full((heads,), 0.1).expm1().log())
        self.skip = nn.Parameter(torch.ones(heads, 1))
        self.norm_weight = nn.Parameter(torch.ones(inner))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        gate, mixed, step = self.in_proj(x).split(self.widths, dim=-1)
        mixed = F.silu(self.conv(F.pad(mixed.transpose(1, 2), (3, 0))).transpose(1, 2))
        with torch.autocast(x.device.type, enabled=False):  # sums of logarithms need full precision
            full = torch.promote_types(mixed.dtype, torch.float32)
            u, B, C = mixed.to(full).split(self.inner_widths, dim=-1)
            u = u.unflatten(-1, (self.heads, -1))  # (B, T, H, P)
            dt = F.softplus(step.to(full) + self.step_bias)
            y = ssd(u * dt.unsqueeze(-1), -dt * self.log_rate.exp(), B, C) + self.skip * u
        y = F.rms_norm(y.flatten(2) * F.silu(gate), self.norm_weight.shape, self.norm_weight)
        return self.out(y)
