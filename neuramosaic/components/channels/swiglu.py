"""Gated linear unit with SiLU.

    y = W_2 (silu(W_g x) * W_u x)

SwiGLU of arXiv 2002.05202, two thirds as wide as a perceptron so that both have as many parameters.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """Position-wise gated unit; hidden units: two thirds of `expansion * d_model`, up to the next multiple of 8."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        hidden = 8 * -(-2 * expansion * d_model // 24)
        self.gate_and_up = nn.Linear(d_model, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        gate, up = self.gate_and_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)
