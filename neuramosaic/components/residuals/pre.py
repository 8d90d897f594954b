"""Pre-norm residual block.

    x = x + mixer(norm(x)),    x = x + channel(norm(x))

arXiv 2002.04745.
"""

from collections.abc import Callable

from torch import Tensor, nn


class PreNorm(nn.Module):
    """Normalises what goes into the mixer and into the channel."""

    def __init__(self, d_model: int, mixer: nn.Module, channel: nn.Module, norm: Callable[[], nn.Module]):
        super().__init__()
        self.mixer, self.channel = mixer, channel
        self.mixer_norm, self.channel_norm = norm(), norm()

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        x = x + self.mixer(self.mixer_norm(x))
        return x + self.channel(self.channel_norm(x))
