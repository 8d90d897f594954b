"""A component that satisfies benchmarks/cards/multi_dim_ema.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiDimEMA(nn.Module):
    """Damped exponential moving averages, several per channel, computed as one long convolution."""

    def __init__(self, d_model: int, averages: int = 4):
        super().__init__()
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.step = nn.Parameter(0.2 * torch.randn(d_model, averages))
        self.damping = nn.Parameter(0.2 * torch.randn(d_model, averages))
        self.expand = nn.Parameter(torch.randn(d_model, averages))
        self.project = nn.Parameter(torch.randn(d_model, averages) * averages**-0.5)
        self.skip = nn.Parameter(torch.randn(d_model))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        u = self.value(x)
        # Twice as long as the sequence, so that the circular convolution does not reach round.
        spectrum = torch.fft.rfft(u, n=2 * T, dim=1) * torch.fft.rfft(self.kernel(T), n=2 * T, dim=0)
        z = torch.fft.irfft(spectrum, n=2 * T, dim=1)[:, :T]
        return self.out(F.silu(z + self.skip * u))

    def kernel(self, length: int) -> Tensor:
        """Return the weights of the last `length` positions, shape (T, D)."""
        step = self.step.sigmoid()
        log_keep = torch.log1p(-step * self.damping.sigmoid())  # (D, n)
        age = torch.arange(length, device=step.device, dtype=step.dtype).view(-1, 1, 1)
        return ((age * log_keep).exp() * (self.project * step * self.expand)).sum(dim=-1)
