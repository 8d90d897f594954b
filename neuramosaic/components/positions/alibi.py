"""Attention with linear biases.

    logit_ij = q_i . k_j / sqrt(d) - m_h (i - j),    m_h = 2^(-8 h / H) for h = 1 .. H

arXiv 2108.12409.
"""

import torch
from torch import Tensor, nn


class ALiBi(nn.Module):
    """Penalises the attention logits in proportion to the distance; any length works."""

    def __init__(self, d_model: int, max_length: int):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedded tokens `x`, shape (B, T, D), unchanged: positions enter in the attention."""
        return x

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and keys, shape (B, H, T, hd), unchanged."""
        return q, k

    def bias(self, heads: int, T: int, device: torch.device) -> Tensor:
        """Return what is added to the attention logits, shape (H, T, T); it depends on i - j only."""
        slope = 2.0 ** (-8 * torch.arange(1, heads + 1, device=device) / heads)
        t = torch.arange(T, device=device)
        return slope[:, None, None] * (t[None, :] - t[:, None])
