"""A component that satisfies benchmarks/cards/held_out/mlstm.yaml."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MLSTM(nn.Module):
    """LSTM with a matrix memory and exponential gates, in its stabilised parallel form."""

    def __init__(self, d_model: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        self.qkv = nn.Linear(d_model, 3 * inner, bias=False)
        self.gates = nn.Linear(d_model, 2 * heads)
        with torch.no_grad():
            self.gates.bias.copy_(torch.cat((torch.zeros(heads), torch.linspace(3.0, 6.0, heads))))
        self.out_gate = nn.Linear(d_model, inner, bias=False)
        self.scale = nn.Parameter(torch.ones(heads, self.head_dim))
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        T = x.shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        take, forget = self.gates(x).mT.chunk(2, dim=1)  # each (B, H, T)
        kept = F.logsigmoid(forget).cumsum(dim=-1)
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        log_weights = (kept.unsqueeze(-1) - kept.unsqueeze(-2) + take.unsqueeze(-2)).masked_fill(future, -math.inf)
        # The result does not depend on the stabiliser, so that no gradient has to pass it.
        top = log_weights.detach().amax(dim=-1, keepdim=True)
        scores = q @ k.mT * self.head_dim**-0.5 * (log_weights - top).exp()
        h = scores @ v / scores.sum(dim=-1, keepdim=True).abs().maximum((-top).exp())
        h = F.rms_norm(h.transpose(1, 2), (self.head_dim,)) * self.scale
        return self.out(self.out_gate(x).sigmoid() * h.flatten(2))
