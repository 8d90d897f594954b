"""A component that satisfies benchmarks/cards/held_out_2/wkv_attention.yaml."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WKVAttention(nn.Module):
    """Softmax over the past for each feature, with a decay and a bonus for the present (RWKV-4)."""

    def __init__(self, d_model: int):
        super().__init__()
        self.mixes = nn.Parameter(torch.full((3, d_model), 0.5))  # for r, k and v
        self.maps = nn.ModuleList(nn.Linear(d_model, d_model, bias=False) for _ in range(3))
        self.bonus = nn.Parameter(torch.zeros(d_model))
        self.log_decay = nn.Parameter(-5 + 8 * torch.arange(d_model) / (d_model - 1))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        before = F.pad(x, (0, 0, 1, 0))[:, :-1]
        r, k, v = (linear(mix * x + (1 - mix) * before) for mix, linear in zip(self.mixes, self.maps, strict=True))
        w = self.log_decay.exp()
        now = self.bonus + k
        # Weighted mean and logarithm of the weight of all before t: nothing overflows, whatever the keys are.
        mean, total = v[:, 0], k[:, 0]
        results = [mean]
        for t in range(1, x.shape[1]):
            results.append(mean + (now[:, t] - total).sigmoid() * (v[:, t] - mean))
            decayed = total - w
            mean = mean + (k[:, t] - decayed).sigmoid() * (v[:, t] - mean)
            total = torch.logaddexp(decayed, k[:, t])
        return self.out(r.sigmoid() * torch.stack(results, dim=1))
