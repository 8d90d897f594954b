"""A component that satisfies benchmarks/cards/highway.yaml."""

import torch
from torch import Tensor, nn


class Highway(nn.Module):
    """A learned gate decides, per channel, between a block's output and its input."""

    def __init__(self, d_model: int, block: nn.Module):
        super().__init__()
        self.block = block
        self.gate = nn.Linear(d_model, d_model)
        nn.init.constant_(self.gate.bias, -1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        return torch.lerp(x, self.block(x), self.gate(x).sigmoid())
