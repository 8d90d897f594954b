"""minGRU: a gated recurrent unit whose gates do not look at the state, so that it can be scanned in parallel.

    h_t = (1 - z_t) * h_(t-1) + z_t * g(c_t),    z_t = sigmoid(W_z x_t),    c_t = W_c x_t

with g(c) = c + 1/2 where c >= 0 and sigmoid(c) elsewhere (arXiv 2410.01201).
"""

import torch
from torch import Tensor, nn


def linear_scan(a: Tensor, b: Tensor) -> Tensor:
    """Return all h_t = a_t * h_(t-1) + b_t with h_(-1) = 0, for `a`, `b` of (B, T, D), in work linear in T.

    Pairs of steps are merged into one, the half as long sequence is scanned, and the steps left out are filled in.
    """
    T = b.shape[1]
    if T == 1:
        return b
    a_even, b_even, a_odd, b_odd = a[:, 0::2], b[:, 0::2], a[:, 1::2], b[:, 1::2]
    pairs = T // 2
    odd = linear_scan(a_odd * a_even[:, :pairs], torch.addcmul(b_odd, a_odd, b_even[:, :pairs]))
    first, later = b_even[:, :1], torch.addcmul(b_even[:, 1:], a_even[:, 1:], odd[:, : b_even.shape[1] - 1])
    even = torch.cat((first, later), dim=1)
    woven = torch.stack((even[:, :pairs], odd), dim=2).flatten(1, 2)
    return woven if T % 2 == 0 else torch.cat((woven, even[:, pairs:]), dim=1)


class MinGRU(nn.Module):
    """minGRU over a state of `expansion * d_model` units."""

    def __init__(self, d_model: int, expansion: int = 1):
        super().__init__()
        self.gate_and_candidate = nn.Linear(d_model, 2 * expansion * d_model, bias=False)
        self.out = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        gate, candidate = self.gate_and_candidate(x).chunk(2, dim=-1)
        z = gate.sigmoid()
        g = torch.where(candidate >= 0, candidate + 0.5, candidate.sigmoid())
        return self.out(linear_scan(1 - z, z * g))
