"""Search quality of the samplers on NAS-Bench-Macro: 8 layers of 3 choices, all 6561 networks trained on CIFAR-10.

The objective is the mean test accuracy over the file's three training runs of a network, in percent (`mean_acc`); the
samplers minimise 100 minus it. Data: Su et al. 2021, arXiv 2103.11922, as JSON (gzip or plain) keyed by the choices.

    python benchmarks/nas_bench_macro.py nas-bench-macro_cifar10.json.gz --samplers random,evolution,bayes
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from neuramosaic import Categorical, ParameterSpace, create_sampler
from neuramosaic.search.registry import sampler_names

LAYERS, CHOICES = 8, ("0", "1", "2")
SPACE = ParameterSpace([Categorical(f"layer{index}", CHOICES) for index in range(LAYERS)])


def read_accuracies(path: Path) -> dict[str, float]:
    """Return the mean accuracy in percent of every network, keyed by its choices such as "02012100"."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        table = json.load(file)
    accuracies = {key: float(entry["mean_acc"]) for key, entry in table.items()}
    missing = ["".join(point.values()) for point in SPACE.points() if "".join(point.values()) not in accuracies]
    if missing:
        raise SystemExit(f"{path}: {len(missing)} of {SPACE.size} networks are missing, such as {missing[0]}")
    return accuracies


def search(name: str, accuracies: dict[str, float], evaluations: int, seed: int) -> float:
    """Return the best accuracy in percent that the sampler met, asked for one point at a time."""
    sampler = create_sampler(name, SPACE, seed=seed)
    best = 0.0
    for _ in range(evaluations):
        (point,) = sampler.ask()
        accuracy = accuracies["".join(point.values())]
        sampler.tell(point, 100.0 - accuracy)
        best = max(best, accuracy)
    return best


def measure(name: str, accuracies: dict[str, float], evaluations: int, seeds: int) -> dict[str, Any]:
    """Return the best accuracies over the seeds 0, 1, ..., and the seconds that one search took."""
    start = time.perf_counter()
    best = np.array([search(name, accuracies, evaluations, seed) for seed in range(seeds)])
    return {
        "sampler": name,
        "evaluations": evaluations,
        "seeds": seeds,
        "best_accuracy_percent": {"mean": float(best.mean()), "min": float(best.min()), "max": float(best.max())},
        "by_seed": best.tolist(),
        "seconds_per_search": (time.perf_counter() - start) / seeds,
    }


def main() -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="nas-bench-macro_cifar10.json.gz")
    parser.add_argument("--samplers", default=",".join(sampler_names()), help="names, separated by commas")
    parser.add_argument("--evaluations", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    accuracies = read_accuracies(arguments.file)
    rows = []
    if not arguments.json:
        top = max(accuracies.values())
        print(f"best of {arguments.evaluations} evaluations, {arguments.seeds} seeds; best possible {top:.3f} %")
        print(f"{'sampler':<12}{'mean %':>9}{'min %':>9}{'max %':>9}{'s/search':>10}")
    for name in arguments.samplers.split(","):
        row = measure(name, accuracies, arguments.evaluations, arguments.seeds)
        rows.append(row)
        if not arguments.json:
            best = row["best_accuracy_percent"]
            figures = "".join(f"{best[key]:>9.3f}" for key in ("mean", "min", "max"))
            print(f"{name:<12}{figures}{row['seconds_per_search']:>10.2f}", flush=True)
    if arguments.json:
        print(json.dumps({"best_possible_percent": max(accuracies.values()), "samplers": rows}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
