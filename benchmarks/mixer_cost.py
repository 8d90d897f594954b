"""How long each mixer takes, forward and backward, relative to attention.

    python benchmarks/mixer_cost.py [--threads 2] [--repeats 15] [--json]

All mixers take turns within one run, so that what else the machine does hits all of them alike; figures are medians.
The target for `recurrence` and `ssm` at B=8, T=256, D=128 is at most 4 times attention.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from neuramosaic.components.mixers.attention import Attention
from neuramosaic.components.mixers.gated_conv import GatedConv
from neuramosaic.components.mixers.min_gru import MinGRU
from neuramosaic.components.mixers.recurrence import Recurrence
from neuramosaic.components.mixers.sliding_attention import SlidingAttention
from neuramosaic.components.mixers.ssm import SSM
from neuramosaic.components.positions.rope import RoPE


def mixers(width: int, length: int) -> dict[str, nn.Module]:
    """Return the mixers by name: every one of the catalogue, and the recurrence with all its decays and writes."""
    chosen: dict[str, nn.Module] = {
        "attention": Attention(width),
        "attention rope": Attention(width, position=RoPE(width, length)),
        "sliding_attention": SlidingAttention(width),
        "ssm": SSM(width),
        "min_gru": MinGRU(width),
        "gated_conv": GatedConv(width),
    }
    for decay, write in itertools.product(("none", "fixed", "scalar", "vector"), ("additive", "delta", "hebbian")):
        chosen[f"recurrence {decay} {write}"] = Recurrence(width, decay=decay, write=write)
    return chosen


def step(mixer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Return one forward and backward pass of a mixer."""

    def run() -> None:
        mixer.zero_grad(set_to_none=True)
        mixer(x).square().mean().backward()

    return run


def measure(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Return the median wall time of each step in milliseconds, measured in turns."""
    for run in steps.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256, help="T, in tokens")
    parser.add_argument("--width", type=int, default=128, help="D")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    x = torch.randn(options.batch, options.length, options.width, requires_grad=True)
    steps = {name: step(mixer, x) for name, mixer in mixers(options.width, options.length).items()}
    medians = measure(steps, options.repeats)
    rows = [
        {"mixer": name, "milliseconds": round(value, 3), "ratio_to_attention": round(value / medians["attention"], 3)}
        for name, value in medians.items()
    ]
    if options.json:
        print(json.dumps({"torch": torch.__version__, **vars(options), "rows": rows}))
        return
    print(f"forward + backward, B={options.batch} T={options.length} D={options.width}, {options.threads} threads")
    for row in rows:
        print(f"{row['mixer']:<28}{row['milliseconds']:>10.2f} ms{row['ratio_to_attention']:>9.2f} x attention")


if __name__ == "__main__":
    main()
