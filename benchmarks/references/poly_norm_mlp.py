"""A component that satisfies benchmarks/cards/held_out_2/poly_norm_mlp.yaml."""

import torch
from torch import Tensor, nn

EPSILON = 1e-6


class PolyNormMLP(nn.Module):
    """Two linear maps; between them a polynomial whose powers are each brought to a mean square of 1."""

    def __init__(self, d_model: int, degree: int = 3, expansion: int = 3):
        super().__init__()
        self.coefficients = nn.Parameter(torch.tensor([0.0] + [1 / degree] * degree))
        self.up = nn.Linear(d_model, expansion * d_model, bias=False)
        self.down = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        h = self.up(x)
        power, total = torch.ones_like(h), torch.zeros_like(h)
        for coefficient in self.coefficients:
            total = total + coefficient * power * (power.square().mean(dim=-1, keepdim=True) + EPSILON).rsqrt()
            power = power * h
        return self.down(total)
