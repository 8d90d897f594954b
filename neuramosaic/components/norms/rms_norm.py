"""Root-mean-square normalisation.

    y = w * x / sqrt(mean(x^2) + eps)

arXiv 1910.07467.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Unit root mean square over the channels, then scale."""

    def __init__(self, d_model: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x`, shape (B, T, D)."""
        return F.rms_norm(x, self.weight.shape, self.weight, eps=1e-6)
