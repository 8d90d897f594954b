"""A component that satisfies benchmarks/cards/held_out_2/layer_scale.yaml."""

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """A learned scale per feature of what the block adds."""

    def __init__(self, d_model: int, block: nn.Module, epsilon: float = 0.1):
        super().__init__()
        self.block = block
        self.scale = nn.Parameter(torch.full((d_model,), float(epsilon)))

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        return x + self.scale * (self.block(x) - x)
