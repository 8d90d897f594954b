"""A component that satisfies benchmarks/cards/geglu.yaml."""

import torch.nn.functional as F
from torch import Tensor, nn


class GEGLU(nn.Module):
    """Gated linear unit with GELU."""

    def __init__(self, d_model: int, expansion: int = 2):
        super().__init__()
        self.gate = nn.Linear(d_model, expansion * d_model, bias=False)
        self.up = nn.Linear(d_model, expansion * d_model, bias=False)
        self.down = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        return self.down(F.gelu(self.gate(x)) * self.up(x))
