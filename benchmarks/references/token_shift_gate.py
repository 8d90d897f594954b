"""A component that satisfies benchmarks/cards/token_shift_gate.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TokenShiftGate(nn.Module):
    """Values and gates from a learned blend of each position with the one before it."""

    def __init__(self, d_model: int):
        super().__init__()
        self.value_blend = nn.Parameter(torch.full((d_model,), 0.5))
        self.gate_blend = nn.Parameter(torch.full((d_model,), 0.5))
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.gate = nn.Linear(d_model, d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        before = F.pad(x, (0, 0, 1, -1))  # x_(t-1), zeros first
        value = self.value(torch.lerp(before, x, self.value_blend))
        gate = self.gate(torch.lerp(before, x, self.gate_blend))
        return self.out(gate.sigmoid() * value)
