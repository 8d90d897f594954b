"""Top-down feedback: the block runs twice with the same weights, the second time told what it found the first time.

    d = f(x) - x,    y = f(x + W d)

Two passes with a feedback path, after arXiv 2303.13043. W starts small, so that the block starts as a plain one.
"""

from torch import Tensor, nn


class TopDown(nn.Module):
    """Feeds what a block adds to its input back to that input, and runs the block again."""

    def __init__(self, d_model: int, block: nn.Module):
        super().__init__()
        self.block = block
        self.feedback = nn.Linear(d_model, d_model, bias=False)
        nn.init.normal_(self.feedback.weight, std=0.1 * d_model**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        return self.block(x + self.feedback(self.block(x) - x))
