"""A component that satisfies benchmarks/cards/held_out_2/attention_free.yaml."""

import torch
from torch import Tensor, nn


class AttentionFree(nn.Module):
    """Softmax over the past for each feature by itself, gated by the query (AFT-simple)."""

    def __init__(self, d_model: int, expansion: int = 1):
        super().__init__()
        self.qkv = nn.Linear(d_model, 3 * expansion * d_model, bias=False)
        self.out = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        # The weights are relative to their sum so far, which is kept as a logarithm, so that no key overflows.
        total = k.logcumsumexp(dim=1)
        taken = (k - total).exp()
        kept = (total[:, :-1] - total[:, 1:]).exp()
        state = v[:, 0]
        means = [state]
        for t in range(1, x.shape[1]):
            state = kept[:, t - 1] * state + taken[:, t] * v[:, t]
            means.append(state)
        return self.out(q.sigmoid() * torch.stack(means, dim=1))
