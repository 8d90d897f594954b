"""A component that satisfies benchmarks/cards/rwkv_channel_mix.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RWKVChannelMix(nn.Module):
    """Channel mixing of RWKV, a squared ReLU behind a token shift, with a receptance gate."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.key_blend = nn.Parameter(torch.full((d_model,), 0.5))
        self.gate_blend = nn.Parameter(torch.full((d_model,), 0.5))
        self.key = nn.Linear(d_model, expansion * d_model, bias=False)
        self.gate = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform `x`, shape (B, T, D)."""
        before = F.pad(x, (0, 0, 1, -1))  # x_(t-1), zeros first
        key = self.key(torch.lerp(before, x, self.key_blend))
        gate = self.gate(torch.lerp(before, x, self.gate_blend))
        return gate.sigmoid() * self.value(F.relu(key).square())
