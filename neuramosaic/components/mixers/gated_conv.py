"""Gated causal depthwise convolution.

    y_t = W_o (sigmoid(W_g x_t) * sum_{i < kernel} w_i * (W_v x)_(t-i))

The gated linear unit of a convolution (arXiv 1612.08083), with a filter per channel.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class GatedConv(nn.Module):
    """Depthwise convolution over the last `kernel` positions, gated by the position itself."""

    def __init__(self, d_model: int, kernel: int = 16):
        super().__init__()
        self.value_and_gate = nn.Linear(d_model, 2 * d_model, bias=False)
        self.conv = nn.Conv1d(d_model, d_model, kernel, groups=d_model)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        value, gate = self.value_and_gate(x).chunk(2, dim=-1)
        past = F.pad(value.transpose(1, 2), (self.conv.kernel_size[0] - 1, 0))
        mixed = self.conv(past).transpose(1, 2)
        return self.out(mixed * gate.sigmoid())
