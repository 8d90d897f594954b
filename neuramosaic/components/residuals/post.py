"""Post-norm residual block.

    x = norm(x + mixer(x)),    x = norm(x + channel(x))

arXiv 1706.03762.
"""

from collections.abc import Callable

from torch import Tensor, nn


class PostNorm(nn.Module):
    """Normalises the residual stream after the mixer and after the channel."""

    def __init__(self, d_model: int, mixer: nn.Module, channel: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.mixer, self.channel = mixer, channel
        self.mixer_norm, self.channel_norm = norm(), norm()

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        x = self.mixer_norm(x + self.mixer(x))
        return self.channel_norm(x + self.channel(x))
