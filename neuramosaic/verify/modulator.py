"""How a modulator is verified by itself: around a small block of ours, which it must use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuramosaic.training.determinism import torch_stream
from neuramosaic.verify.checks import ROUNDING
from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import ComponentSubject, jittered, run_copy


class ProbeBlock(nn.Module):
    """A causal residual block that mixes each position with the one before it: what a modulator is wrapped around.

        y_t = x_t + W_o silu(W_0 n_t + W_1 n_(t-1)),    n_t = x_t / rms(x_t)

    It holds on every rung of the ladder, sees two positions, and its work is linear in T: what fails, or what is more
    than that, is the modulator's doing.
    """

    def __init__(self, d_model: int):
        super().__init__()
        self.taps = nn.Linear(2 * d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the residual stream `x`, shape (B, T, D)."""
        n = F.rms_norm(x, x.shape[-1:], eps=1e-5)
        before = F.pad(n, (0, 0, 1, 0))[:, :-1]
        y: Tensor = x + self.out(F.silu(self.taps(torch.cat((n, before), dim=-1))))
        return y


@dataclass
class ModulatorSubject(ComponentSubject):
    """A modulator around a `ProbeBlock`.

    Attributes:
        block_stream: Name of the random stream that the block's weights come from; another name, another block.
    """

    block_stream: str = "block"

    def block(self) -> ProbeBlock:
        """Return a freshly initialised block, the same each time."""
        with torch_stream(self.seed, "verify", self.block_stream):
            return ProbeBlock(self.width)

    def build(self) -> nn.Module:
        """Return a freshly initialised modulator with its block."""
        return self.around(self.block())

    def around(self, block: nn.Module) -> nn.Module:
        """Return a freshly initialised modulator around a block."""
        with torch_stream(self.seed, "verify", "initialisation"):
            return self.make(self.width, block=block)


def block_used(subject: ModulatorSubject) -> None:
    """The block is part of the modulator, and another block gives another output."""
    block = subject.block()
    held = {id(parameter) for parameter in subject.around(block).parameters()}
    if any(id(parameter) not in held for parameter in block.parameters()):
        raise CheckFailed(
            "the block's parameters are not among those of the modulator; keep the block as a submodule: "
            "self.block = block"
        )
    other = replace(subject, block_stream="another block")
    inputs = subject.inputs(2, subject.length)
    one, two = (run_copy(subject, jittered(item), inputs, training=False) for item in (subject, other))
    if float((one - two).abs().max()) <= ROUNDING * float(one.abs().mean()):
        raise CheckFailed(
            "the output is the same whatever the block is; call self.block(...) in forward, and let what it returns "
            "reach the output"
        )
