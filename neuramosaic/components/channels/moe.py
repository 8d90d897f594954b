"""Mixture of experts: each position goes to the `top_k` experts that its router likes best.

    p = softmax(W_r x),    y = sum_{e in top_k(p)} p_e E_e(x),    E_e(x) = W_2e gelu(W_1e x)

Sparse routing of arXiv 1701.06538; the gates are not renormalised (arXiv 2101.03961), so that the router learns with
top_k = 1 too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MixtureOfExperts(nn.Module):
    """Position-wise mixture of `experts` perceptrons with `expansion * d_model` hidden units each."""

    def __init__(self, d_model: int, experts: int = 4, top_k: int = 2, expansion: int = 1):
        super().__init__()
        hidden = expansion * d_model
        self.top_k = min(top_k, experts)
        self.router = nn.Linear(d_model, experts, bias=False)
        self.up = nn.Parameter(torch.empty(experts, d_model, hidden).uniform_(-(d_model**-0.5), d_model**-0.5))
        self.down = nn.Parameter(torch.empty(experts, hidden, d_model).uniform_(-(hidden**-0.5), hidden**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        tokens = x.flatten(0, 1)
        gates, chosen = self.router(tokens).softmax(dim=-1).topk(self.top_k, dim=-1)  # (B T, k)
        order = chosen.flatten().argsort(stable=True)  # visits sorted by expert, so that each expert has one slice
        visits = tokens[order // self.top_k].split(chosen.flatten().bincount(minlength=len(self.up)).tolist())
        outputs = [F.gelu(part @ up) @ down for part, up, down in zip(visits, self.up, self.down, strict=True)]
        y = torch.cat(outputs)[order.argsort()].view(*chosen.shape, -1)  # back in the order of the positions
        return (y * gates.unsqueeze(-1)).sum(dim=1).view_as(x)
