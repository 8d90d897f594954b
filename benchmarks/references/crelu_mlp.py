"""A component that satisfies benchmarks/cards/held_out_2/crelu_mlp.yaml."""

import torch
from torch import Tensor, nn


class CReLUMLP(nn.Module):
    """Two linear maps; between them each unit keeps its positive and its negative part."""

    def __init__(self, d_model: int, expansion: int = 2):
        super().__init__()
        self.up = nn.Linear(d_model, expansion * d_model)
        self.down = nn.Linear(2 * expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        h = self.up(x)
        return self.down(torch.cat((h, -h), dim=-1).relu())
