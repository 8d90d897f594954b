"""A component that satisfies benchmarks/cards/held_out_2/hyena.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 3
PERIOD = 512
WAVES = 4


class Hyena(nn.Module):
    """Gates and long implicit convolutions in turns; the convolutions by FFT."""

    def __init__(self, d_model: int, order: int = 2):
        super().__init__()
        self.d_model, self.order = d_model, order
        self.in_proj = nn.Linear(d_model, (order + 1) * d_model)
        self.short = nn.Parameter(torch.empty((order + 1) * d_model, TAPS).uniform_(-(TAPS**-0.5), TAPS**-0.5))
        self.features = nn.Linear(1 + 2 * WAVES, 32)
        self.filters = nn.Linear(32, order * d_model, bias=False)
        self.direct = nn.Parameter(torch.ones(order, d_model))
        self.out = nn.Linear(d_model, d_model)
        rates = 0.3 * (1 / 15) ** (torch.arange(d_model) / (d_model - 1))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        windows = F.pad(self.in_proj(x), (0, 0, TAPS - 1, 0)).unfold(1, TAPS, 1)  # (B, T, (N+1) D, taps), oldest first
        z, *gates = (windows * self.short.flip(-1)).sum(dim=-1).split(self.d_model, dim=-1)
        for gate, h, direct in zip(gates, self.make_filters(T, x), self.direct, strict=True):
            spectrum = torch.fft.rfft(z.mT, n=2 * T) * torch.fft.rfft(h.mT, n=2 * T)
            z = gate * (torch.fft.irfft(spectrum, n=2 * T)[..., :T].mT + direct * z)
        return self.out(z)

    def make_filters(self, T: int, like: Tensor) -> Tensor:
        """Return the filters at lags 0 to T - 1, shape (N, T, D)."""
        lags = torch.arange(T, device=like.device, dtype=like.dtype).unsqueeze(-1)
        phases = 2 * math.pi * lags * torch.arange(1, WAVES + 1, device=like.device) / PERIOD
        encoded = torch.cat((lags / PERIOD, phases.cos(), phases.sin()), dim=-1)  # (T, 9)
        h = self.filters((10 * self.features(encoded)).sin()).unflatten(-1, (self.order, -1)).transpose(0, 1)
        return h * (-self.rates * lags).exp()
