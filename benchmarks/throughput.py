"""Training throughput against nanoGPT: its own `train.py` as it is, our loop on the same GPT shape, in one run.

    git clone https://github.com/karpathy/nanoGPT /tmp/nanoGPT
    python benchmarks/throughput.py --nanogpt /tmp/nanoGPT

Both sides: CPU, float32, no torch.compile, the same number of threads; a GPT with LayerNorm (ours with biases in it,
nanoGPT with `bias=False`), learned positions, an MLP of four times the width and a tied head; AdamW with clipping;
random windows of the same bytes. Each round runs both sides in fresh processes, the order swapped from one to the next.
A side's tokens per second come from its median step, the first ten left out; the ratio is ours over theirs, the median
over the rounds. Run it on a machine that does nothing else: two threads on two busy cores measure the scheduler.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WARM_STEPS = 10
#: layers, heads, width: about 0.3 and 0.8 million parameters.
SHAPES = {"300k": (4, 4, 72), "800k": (4, 4, 128)}
BLOCK = 256


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; exit status 1 if a ratio is below --target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, help="a checkout of karpathy/nanoGPT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="training steps of each run")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shape", choices=sorted(SHAPES), action="append", help="default: all")
    parser.add_argument("--target", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--ours", choices=sorted(SHAPES), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.ours:
        our_steps(options)
        return 0
    if options.nanogpt is None or not (options.nanogpt / "train.py").is_file():
        parser.error("--nanogpt must name a checkout of karpathy/nanoGPT, with its train.py")
    results = [compare(shape, options) for shape in options.shape or sorted(SHAPES)]
    if options.json:
        print(json.dumps({"threads": options.threads, "batch_size": options.batch_size, "shapes": results}, indent=2))
    return 0 if all(result["ratio"] >= options.target for result in results) else 1


def compare(shape: str, options: argparse.Namespace) -> dict[str, object]:
    """Return the tokens per second of both sides in every round, and the ratio."""
    rounds = []
    for number in range(options.rounds):
        sides = {"nanogpt": run_nanogpt, "neuramosaic": run_ours}
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        rates = {side: tokens_per_second(sides[side](shape, options), options) for side in order}
        rounds.append({**rates, "ratio": rates["neuramosaic"] / rates["nanogpt"]})
        if not options.json:
            line = ", ".join(f"{side} {rates[side]:,.0f} tokens/s" for side in sorted(rates))
            print(f"{shape} round {number + 1}: {line}, ratio {rounds[-1]['ratio']:.3f}", flush=True)
    ratio = statistics.median(item["ratio"] for item in rounds)
    if not options.json:
        print(f"{shape}: ratio {ratio:.3f} (ours / nanoGPT, median of {len(rounds)} rounds)", flush=True)
    return {"shape": shape, "ratio": ratio, "rounds": rounds}


def tokens_per_second(step_seconds: list[float], options: argparse.Namespace) -> float:
    """Return the rate of the median step, the first ones left out."""
    return options.batch_size * BLOCK / statistics.median(step_seconds[WARM_STEPS:])


def corpus() -> np.ndarray:
    """Return the training bytes of the task python-code."""
    from neuramosaic.tasks.registry import create_task

    return create_task("python-code").load(np.random.default_rng(0)).splits["train"].tokens


def run_nanogpt(shape: str, options: argparse.Namespace) -> list[float]:
    """Run nanoGPT's train.py on the same bytes; returns the seconds of each step as it prints them."""
    layers, heads, width = SHAPES[shape]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        # train.py reads configurator.py, model.py and data/ from its working directory.
        for name in ("train.py", "model.py", "configurator.py"):
            (work / name).write_bytes((options.nanogpt / name).read_bytes())
        data = work / "data" / "bytes"
        data.mkdir(parents=True)
        tokens = corpus().astype(np.uint16)
        tokens.tofile(data / "train.bin")
        tokens[: 10 * BLOCK].tofile(data / "val.bin")
        (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": 256}))
        settings = {
            "dataset": "bytes", "device": "cpu", "compile": False, "dtype": "float32", "eval_iters": 1,
            "eval_interval": 10**6, "always_save_checkpoint": False, "gradient_accumulation_steps": 1, "dropout": 0.0,
            "bias": False, "n_layer": layers, "n_head": heads, "n_embd": width, "block_size": BLOCK,
            "batch_size": options.batch_size, "max_iters": options.steps, "lr_decay_iters": options.steps,
            "warmup_iters": 5, "learning_rate": 1e-3, "min_lr": 1e-4,
        }  # fmt: skip
        flags = [f"--{name}={value}" for name, value in settings.items()]
        output = run([sys.executable, "train.py", *flags], work, options.threads)
    return [float(milliseconds) / 1000.0 for milliseconds in re.findall(r"time ([0-9.]+)ms", output)]


def run_ours(shape: str, options: argparse.Namespace) -> list[float]:
    """Run our loop on the generated model of the same shape; returns the seconds of each step."""
    flags = ["--ours", shape, "--steps", str(options.steps), "--batch-size", str(options.batch_size)]
    output = run([sys.executable, str(Path(__file__).resolve()), *flags], ROOT, options.threads)
    return [float(second) for second in json.loads(output.splitlines()[-1])]


def run(command: list[str], directory: Path, threads: int) -> str:
    """Run one side; returns its stdout."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def our_steps(options: argparse.Namespace) -> None:
    """Train as the worker does, and print the seconds of each step as JSON."""
    import torch

    from neuramosaic.codegen.generate import generate
    from neuramosaic.components.registry import catalogue
    from neuramosaic.space.architecture import Architecture, Block, Choice
    from neuramosaic.tasks.base import Split
    from neuramosaic.training.config import TrainingConfig
    from neuramosaic.training.data import TrainingData
    from neuramosaic.training.loop import train
    from neuramosaic.training.memory import keep_freed_memory

    keep_freed_memory()
    layers, heads, width = SHAPES[options.ours]
    known = catalogue()
    block = Block(
        mixer=Choice("attention", {"heads": heads, "kv_heads": heads}),
        channel=Choice("mlp", known.get("channel", "mlp").defaults()),
        norm=Choice("layer_norm"),
    )
    architecture = Architecture(width, layers, (block,), Choice("learned"), Choice("pre"))
    source = generate(architecture, known, vocab_size=256, sequence_length=BLOCK)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.py")
        path.write_text(source)
        sys.path.insert(0, directory)
        import model as generated

    tokens = corpus()
    data = TrainingData(Split(tokens), Split(tokens[: 10 * BLOCK]), 256, BLOCK, byte_level=True)
    config = TrainingConfig(
        tokens=options.steps * options.batch_size * BLOCK, batch_size=options.batch_size, eval_batches=1
    )
    times: list[float] = []

    def record(row: dict[str, float]) -> None:
        # Tokens over tokens per second is the time spent in training steps so far: evaluation is not in it.
        times.append(row["tokens"] / row["tokens_per_second"])

    model = generated.Model(generated.Config(vocab_size=256, sequence_length=BLOCK))
    train(model, data, config, seed=0, device=torch.device("cpu"), on_metrics=record)
    print(json.dumps([later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]))


if __name__ == "__main__":
    sys.exit(main())
