"""A component that satisfies benchmarks/cards/held_out/ponder.yaml."""

import torch
from torch import Tensor, nn


class Ponder(nn.Module):
    """The block runs several times, each position weighs its passes by the probability of halting there."""

    def __init__(self, d_model: int, block: nn.Module, passes: int = 3):
        super().__init__()
        self.block, self.passes = block, passes
        self.halt = nn.Linear(d_model, 1)
        nn.init.zeros_(self.halt.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        z, y, running = x, torch.zeros_like(x), torch.ones_like(x[..., :1])
        for _ in range(self.passes - 1):
            z = self.block(z)
            halt = self.halt(z).sigmoid()
            y = y + running * halt * z
            running = running * (1 - halt)
        return y + running * self.block(z)
