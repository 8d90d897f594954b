"""A component that satisfies benchmarks/cards/looped_block.yaml."""

import torch
from torch import Tensor, nn


class LoopedBlock(nn.Module):
    """A block that is run several times with shared weights, told which pass it is, its passes averaged."""

    def __init__(self, d_model: int, block: nn.Module, passes: int = 2):
        super().__init__()
        self.block = block
        self.steps = nn.Parameter(0.02 * torch.randn(passes, d_model))
        self.share = nn.Parameter(torch.zeros(passes))

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        z, y = x, torch.zeros_like(x)
        for step, share in zip(self.steps, self.share.softmax(dim=0), strict=True):
            z = self.block(z + step)
            y = y + share * z
        return y
