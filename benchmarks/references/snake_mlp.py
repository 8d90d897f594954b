"""A component that satisfies benchmarks/cards/held_out/snake_mlp.yaml."""

import torch
from torch import Tensor, nn


class SnakeMLP(nn.Module):
    """Two-layer perceptron with the periodic activation snake, whose frequency is learned per hidden unit."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.up = nn.Linear(d_model, expansion * d_model)
        self.frequency = nn.Parameter(torch.ones(expansion * d_model))
        self.down = nn.Linear(expansion * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        u = self.up(x)
        # sin^2(a u) / a = u sin(a u) sinc(a u), which is defined where training brings a to 0.
        angle = self.frequency * u
        return self.down(u + u * angle.sin() * torch.sinc(angle / torch.pi))
