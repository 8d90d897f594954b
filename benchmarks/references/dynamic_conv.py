"""A component that satisfies benchmarks/cards/held_out/dynamic_conv.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 7


class DynamicConv(nn.Module):
    """Convolution of seven taps whose kernel each position predicts, shared by the channels of a head."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.in_proj = nn.Linear(d_model, 2 * d_model, bias=False)
        self.kernel = nn.Linear(d_model, heads * TAPS, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.register_buffer("head_of", torch.arange(d_model) * heads // d_model, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        u = F.glu(self.in_proj(x))
        weights = self.kernel(u).unflatten(-1, (-1, TAPS)).softmax(dim=-1)[:, :, self.head_of]  # (B, T, D, taps)
        windows = F.pad(u, (0, 0, TAPS - 1, 0)).unfold(1, TAPS, 1)  # (B, T, D, taps), the oldest first
        return self.out((weights.flip(-1) * windows).sum(dim=-1))
