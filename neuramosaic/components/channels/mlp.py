"""Two-layer perceptron.

    y = W_2 gelu(W_1 x)

The feed-forward layer of arXiv 1706.03762 with the GELU of arXiv 1606.08415.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class MLP(nn.Module):
    """Position-wise perceptron with `expansion * d_model` hidden units."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.up = nn.Linear(d_model, expansion * d_model, bias=False)
        self.down = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        return self.down(F.gelu(self.up(x)))
