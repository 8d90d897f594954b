"""A component that satisfies benchmarks/cards/held_out_2/mish_mlp.yaml."""

import torch.nn.functional as F
from torch import Tensor, nn


class MishMLP(nn.Module):
    """Two linear maps with the Mish activation between them."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.up = nn.Linear(d_model, expansion * d_model)
        self.down = nn.Linear(expansion * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        h = self.up(x)
        return self.down(h * F.softplus(h).tanh())
