"""A component that satisfies benchmarks/cards/retention.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 32


class Retention(nn.Module):
    """Multi-scale retention, a matrix state per head that decays by a constant of the head."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.gate = nn.Linear(d_model, inner, bias=False)
        self.out = nn.Linear(inner, d_model, bias=False)
        decay = 1 - 2.0 ** (-5 - torch.arange(heads))
        self.register_buffer("log_decay", decay.log().view(heads, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        qkv = F.pad(self.qkv(x), (0, 0, 0, -T % CHUNK)).unflatten(1, (-1, CHUNK))  # (B, N, C, 3 H hd)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)  # each (B, H, N, C, hd)
        q = q * self.head_dim**-0.5
        steps = torch.arange(CHUNK, device=x.device, dtype=x.dtype)
        ages = (steps.unsqueeze(-1) - steps).masked_fill(steps.unsqueeze(-1) < steps, math.inf)
        between = (self.log_decay * ages).exp().unsqueeze(1)  # (H, 1, C, C), 0 where the key comes later
        since = (self.log_decay * (steps + 1).unsqueeze(-1)).exp()  # (H, C, 1)
        until = (self.log_decay * (CHUNK - 1 - steps).unsqueeze(-1)).exp()
        written = (k * until.unsqueeze(1)).mT @ v
        state, states = torch.zeros_like(written[:, :, 0]), []
        for update in written.unbind(2):
            states.append(state)
            state = since[:, -1:] * state + update
        o = (q @ k.mT * between) @ v + since.unsqueeze(1) * (q @ torch.stack(states, dim=2))
        o = F.rms_norm(o, (self.head_dim,)).flatten(2, 3)[:, :, :T]
        return self.out(F.silu(self.gate(x)) * o.transpose(1, 2).flatten(2))
