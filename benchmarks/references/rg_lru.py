"""A component that satisfies benchmarks/cards/rg_lru.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 4
SHARPNESS = 8.0


def linear_scan(a: Tensor, b: Tensor) -> Tensor:
    """Return all h_t = a_t * h_(t-1) + b_t with h_(-1) = 0, for `a`, `b` of (B, T, D), by doubling the span."""
    span = 1
    while span < b.shape[1]:
        b = b + a * F.pad(b, (0, 0, span, -span))
        a = a * F.pad(a, (0, 0, span, -span), value=1.0)
        span *= 2
    return b


class RGLRU(nn.Module):
    """Real-gated linear recurrent unit behind a short convolution, beside a GELU branch."""

    def __init__(self, d_model: int):
        super().__init__()
        self.value_and_branch = nn.Linear(d_model, 2 * d_model, bias=False)
        self.conv = nn.Conv1d(d_model, d_model, TAPS, groups=d_model)
        self.gates = nn.Linear(d_model, 2 * d_model)
        decay = torch.empty(d_model).uniform_(0.9, 0.999)
        self.log_rate = nn.Parameter((-decay.log() / SHARPNESS).expm1().log())  # inverse of softplus
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        value, branch = self.value_and_branch(x).chunk(2, dim=-1)
        u = self.conv(F.pad(value.transpose(1, 2), (TAPS - 1, 0))).transpose(1, 2)
        recurrence, take = self.gates(u).sigmoid().chunk(2, dim=-1)
        log_a = -SHARPNESS * F.softplus(self.log_rate) * recurrence
        scale = (-torch.expm1(2 * log_a)).clamp_min(1e-6).sqrt()  # the slope of a square root is infinite at 0
        return self.out(F.gelu(branch) * linear_scan(log_a.exp(), scale * take * u))
