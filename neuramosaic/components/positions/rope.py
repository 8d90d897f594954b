"""Rotary positions.

    (q_2i, q_2i+1) is turned by the angle t * 10000^(-2i / d), and k likewise, so that q_s . k_t depends on s - t

arXiv 2104.09864. The pairs are the two halves of a head, not neighbours: the same up to a permutation of the weights.
"""

import torch
from torch import Tensor, nn


class RoPE(nn.Module):
    """Rotates queries and keys by angles that grow with their position; any length works."""

    def __init__(self, d_model: int, max_length: int):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedded tokens `x`, shape (B, T, D), unchanged: positions enter in the attention."""
        return x

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Rotate queries and keys, shape (B, H, T, hd) with hd even."""
        T, head_dim = q.shape[-2:]
        frequency = 10_000 ** (torch.arange(0, head_dim, 2, device=q.device) / -head_dim)
        angle = torch.outer(torch.arange(T, device=q.device), frequency)  # (T, hd / 2)
        cos, sin = angle.cos().to(q.dtype), angle.sin().to(q.dtype)

        def turn(x: Tensor) -> Tensor:
            left, right = x.chunk(2, dim=-1)
            return torch.cat((left * cos - right * sin, left * sin + right * cos), dim=-1)

        return turn(q), turn(k)

    def bias(self, heads: int, T: int, device: torch.device) -> None:
        """Return None: the attention logits are not biased."""
