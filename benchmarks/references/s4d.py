"""A component that satisfies benchmarks/cards/held_out/s4d.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = (0.001, 0.1)


class S4D(nn.Module):
    """Diagonal state-space model with complex states, as one long convolution by FFT."""

    def __init__(self, d_model: int, states: int = 8):
        super().__init__()
        self.in_proj = nn.Linear(d_model, d_model, bias=False)
        self.log_decay = nn.Parameter(torch.full((d_model, states), math.log(0.5)))
        self.frequency = nn.Parameter((math.pi * torch.arange(states)).repeat(d_model, 1))
        self.log_step = nn.Parameter(torch.empty(d_model, 1).uniform_(*(math.log(step) for step in STEPS)))
        self.read = nn.Parameter(torch.randn(d_model, states, 2) * 0.5**0.5)
        self.skip = nn.Parameter(torch.ones(d_model))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        u = self.in_proj(x)
        modes = torch.complex(-self.log_decay.exp(), self.frequency)  # (D, N)
        log_a = self.log_step.exp() * modes
        gains = torch.view_as_complex(self.read) * (log_a.exp() - 1) / modes
        powers = (log_a.unsqueeze(-1) * torch.arange(T, device=x.device, dtype=x.dtype)).exp()  # (D, N, T)
        kernel = 2 * (gains.unsqueeze(-1) * powers).sum(dim=1).real  # (D, T)
        spectrum = torch.fft.rfft(u.mT, n=2 * T) * torch.fft.rfft(kernel, n=2 * T)
        z = torch.fft.irfft(spectrum, n=2 * T)[..., :T].mT + self.skip * u
        return self.out(F.gelu(z))
