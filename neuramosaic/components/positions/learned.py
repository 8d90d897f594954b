"""Learned absolute positions.

    x_t = embedding(token_t) + P_t

arXiv 1706.03762. Positions beyond the longest one trained share the last vector.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LearnedPosition(nn.Module):
    """Adds a learned vector per position to the embedded tokens."""

    def __init__(self, d_model: int, max_length: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(max_length, d_model).normal_(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """Add positions to the embedded tokens `x`, shape (B, T, D)."""
        T, longest = x.shape[1], len(self.table)
        if T <= longest:
            return x + self.table[:T]
        return x + F.embedding(torch.arange(T, device=x.device).clamp(max=longest - 1), self.table)

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and keys, shape (B, H, T, hd), unchanged."""
        return q, k

    def bias(self, heads: int, T: int, device: torch.device) -> None:
        """Return None: the attention logits are not biased."""
