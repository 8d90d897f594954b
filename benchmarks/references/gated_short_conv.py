"""A component that satisfies benchmarks/cards/gated_short_conv.yaml."""

import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 3


class GatedShortConv(nn.Module):
    """Causal depthwise convolution of three taps between two multiplicative gates."""

    def __init__(self, d_model: int):
        super().__init__()
        self.in_proj = nn.Linear(d_model, 3 * d_model, bias=False)
        self.conv = nn.Conv1d(d_model, d_model, TAPS, groups=d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        before, after, value = self.in_proj(x).chunk(3, dim=-1)
        past = F.pad((before * value).transpose(1, 2), (TAPS - 1, 0))
        return self.out(after * self.conv(past).transpose(1, 2))
