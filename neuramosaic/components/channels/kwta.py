"""Perceptron whose hidden units compete: only the strongest k of them fire.

    h = W_1 x,    y = W_2 (h * [h_i is among the k largest of h])

k-winners-take-all, after the sparse layers of arXiv 1903.11257. Sparse activity is what cortex shows.
"""

from torch import Tensor, nn


class KWinners(nn.Module):
    """Position-wise perceptron with `expansion * d_model` hidden units, of which a `fraction` fires per position."""

    def __init__(self, d_model: int, expansion: int = 4, fraction: float = 0.25):
        super().__init__()
        self.winners = max(1, round(fraction * expansion * d_model))
        self.up = nn.Linear(d_model, expansion * d_model, bias=False)
        self.down = nn.Linear(expansion * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position of `x`, shape (B, T, D)."""
        h = self.up(x)
        weakest = h.detach().topk(self.winners, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)
        return self.down(h * (h >= weakest))
