"""No positions: what causal mixers can tell of the order by themselves is all there is (arXiv 2203.16634)."""

import torch
from torch import Tensor, nn


class NoPosition(nn.Module):
    """Leaves everything as it is."""

    def __init__(self, d_model: int, max_length: int):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedded tokens `x`, shape (B, T, D), unchanged."""
        return x

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and keys, shape (B, H, T, hd), unchanged."""
        return q, k

    def bias(self, heads: int, T: int, device: torch.device) -> None:
        """Return None: the attention logits are not biased."""
