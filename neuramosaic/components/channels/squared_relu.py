"""Two-layer perceptron with a squared ReLU.

    y = W_2 relu(W_1 x)^2

Found by architecture search in Primer (arXiv 2109.08668).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SquaredReLU(nn.Module):
    """Position-wise perceptron with `expansion * d_model` hidden units, each the square of a rectified sum."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.up = nn.Linear(d_model, expansion * d_model, bias=False)
        self.down = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        return self.down(F.relu(self.up(x)).square())
