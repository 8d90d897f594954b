"""Sandwich-norm residual block.

    x = x + norm(mixer(norm(x))),    x = x + norm(channel(norm(x)))

arXiv 2105.13290.
"""

from collections.abc import Callable

from torch import Tensor, nn


class SandwichNorm(nn.Module):
    """Normalises what goes into the mixer and the channel, and what comes out of them."""

    def __init__(self, d_model: int, mixer: nn.Module, channel: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.mixer, self.channel = mixer, channel
        self.before_mixer, self.after_mixer = norm(), norm()
        self.before_channel, self.after_channel = norm(), norm()

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        x = x + self.after_mixer(self.mixer(self.before_mixer(x)))
        return x + self.after_channel(self.channel(self.before_channel(x)))
