"""How a module's work and memory grow with the sequence length T, counted and not timed.

Counts are the same on a busy machine and on an idle one, so an honest component never fails for its neighbours. Three
things are counted over one pass: arithmetic (matrix products by their operations, everything else by the elements that
it writes), kernel calls (which is what a Python loop over pairs of positions shows in), and the bytes that autograd
keeps for the backward pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from neuramosaic.training.determinism import torch_stream
from neuramosaic.training.flops import flop_counter
from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import Subject, output_of

#: T of the passes. Long enough that a square shows over projections of a small width.
LENGTHS = (256, 512, 1024)
#: Greatest exponent that a declared cost may measure. Padding and logarithms stay well below the first; a square
#: measures about 1.9.
LIMITS = {"constant": 1.5, "linear": 1.5, "log-linear": 1.5, "quadratic": 2.5}


@dataclass(frozen=True)
class Usage:
    """What one pass needs.

    Attributes:
        work: Arithmetic operations, about.
        calls: Kernels called.
        memory_bytes: Kept for the backward pass, each storage once.
    """

    work: float
    calls: float
    memory_bytes: float


def growth(subject: Subject, cost: str) -> None:
    """Work and memory grow with T no faster than the declared cost class allows.

    Args:
        subject: What is measured.
        cost: "constant", "linear", "log-linear" or "quadratic". A module writes T outputs, so constant is per position.
    """
    for what, exponent in exponents(subject).items():
        if exponent > LIMITS[cost]:
            raise CheckFailed(
                f"{what} grows as T^{exponent:.2f} between T={LENGTHS[0]} and T={LENGTHS[-1]}, declared is {cost}; "
                "declare the true cost, or compute it in chunks without comparing all pairs of positions"
            )


def exponents(subject: Subject) -> dict[str, float]:
    """Return the fitted exponent of T of work, kernel calls and memory."""
    usages = [measure(subject, length) for length in LENGTHS]
    return {
        "work": _slope([usage.work for usage in usages]),
        "the number of kernel calls": _slope([usage.calls for usage in usages]),
        "memory": _slope([usage.memory_bytes for usage in usages]),
    }


def measure(subject: Subject, length: int) -> Usage:
    """Count what one pass over one sequence of `length` needs."""
    module = subject.build().train()
    counter = _Counter()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch_stream(subject.seed, "verify", "pass"),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        inputs = subject.inputs(1, length)
        with flop_counter() as flops, counter:
            output = output_of(module, inputs)
    del output  # held until here: a freed storage would give its address, and so its place in `kept`, to another
    return Usage(float(flops.get_total_flops() + counter.elements), float(counter.calls), float(sum(kept.values())))


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts kernels and the elements that they write; views write none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        if not func.is_view:
            self.elements += sum(
                item.numel()
                for item in (result if isinstance(result, (tuple, list)) else (result,))
                if isinstance(item, Tensor)
            )
        return result


def _slope(values: list[float]) -> float:
    """Return the least-squares slope of log(value) over log(T); 0 where nothing was counted."""
    if min(values) <= 0.0:
        return 0.0
    x = [math.log(length) for length in LENGTHS]
    y = [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in x)
