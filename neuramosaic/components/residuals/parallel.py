"""Parallel residual block.

    h = norm(x),    x = x + mixer(h) + channel(h)

As in GPT-J and PaLM (arXiv 2204.02311).
"""

from collections.abc import Callable

from torch import Tensor, nn


class ParallelBlock(nn.Module):
    """Mixer and channel side by side, on one normalised input."""

    def __init__(self, d_model: int, mixer: nn.Module, channel: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.mixer, self.channel = mixer, channel
        self.norm = norm()

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        h = self.norm(x)
        return x + self.mixer(h) + self.channel(h)
