"""The training loop. Read `train` from top to bottom; karpathy/nanoGPT's `train.py` is its model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuramosaic.seeds import stream
from neuramosaic.training.config import TrainingConfig
from neuramosaic.training.data import Batch, TrainingData, fixed_batches, random_batches
from neuramosaic.training.determinism import deterministic_kernels, torch_stream
from neuramosaic.training.flops import flop_counter
from neuramosaic.training.memory import peak_memory_bytes
from neuramosaic.training.optimiser import build_optimiser, learning_rate

OnMetrics = Callable[[dict[str, Any]], None]

#: Reading a loss waits for the device, so it is read, checked and reported this many times per training at most.
_REPORTS = 200
#: A training whose loss stays above this multiple of its first loss for this many reports has diverged.
_DIVERGED_FACTOR = 1.5
_DIVERGED_REPORTS = 10


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        val_loss: Nats per counted token on the fixed val windows; not finite if it diverged.
        train_loss: Nats per counted token of the last batch that was reported.
        tokens: Tokens trained on.
        steps: Optimiser steps.
        seconds: Wall time, evaluations included.
        tokens_per_second: Trained tokens over the wall time of the training steps alone.
        flops: Floating-point operations of all training steps; `flop_counter` says what counts.
        peak_memory_bytes: See `peak_memory_bytes`.
        params: Parameters, tied ones once.
        stopped: "finished", "diverged" or "wall_limit".
        byte_level: Tokens are bytes.
    """

    val_loss: float
    train_loss: float
    tokens: int
    steps: int
    seconds: float
    tokens_per_second: float
    flops: float
    peak_memory_bytes: int
    params: int
    stopped: str
    byte_level: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON with the derived metrics; what is not finite is left out."""
        values: dict[str, Any] = {
            "val_loss": self.val_loss,
            "train_loss": self.train_loss,
            "tokens": self.tokens,
            "steps": self.steps,
            "seconds": self.seconds,
            "tokens_per_second": self.tokens_per_second,
            "flops": self.flops,
            "peak_memory_bytes": self.peak_memory_bytes,
            "params": self.params,
            "stopped": self.stopped,
        }
        if self.val_loss < 700.0:  # exp overflows above
            values["val_perplexity"] = math.exp(self.val_loss)
        if self.byte_level:
            values["val_bits_per_byte"] = self.val_loss / math.log(2.0)
        return {key: value for key, value in values.items() if isinstance(value, str) or math.isfinite(value)}


def train(
    model: nn.Module,
    data: TrainingData,
    config: TrainingConfig,
    *,
    seed: int,
    device: torch.device,
    on_metrics: OnMetrics = lambda row: None,
) -> TrainingResult:
    """Train a model in place for its token budget.

    Args:
        model: Tokens `(B, T)` int64 to logits `(B, T, V)`; already initialised.
        data: What to train and evaluate on.
        config: How.
        seed: The order of the data, and whatever the model draws in training, come from named streams of it.
        device: Where to train.
        on_metrics: Receives `{"step", "tokens", "train_loss", "seconds", "tokens_per_second"}`, sometimes with
            "val_loss", as training goes; a loss that is not finite is left out.

    Returns:
        The result; with the same seed, machine and number of threads, the same val loss to the last bit.
    """
    with torch_stream(seed, "training"), deterministic_kernels():
        return _train(model, data, config, seed, device, on_metrics)


def _train(
    model: nn.Module, data: TrainingData, config: TrainingConfig, seed: int, device: torch.device, on_metrics: OnMetrics
) -> TrainingResult:
    started = time.perf_counter()
    batches = random_batches(
        data.train, data.sequence_length, config.batch_size, rng=stream(seed, "data order"), device=device
    )
    val = fixed_batches(data.val, data.sequence_length, config.eval_batches, device=device)
    tokens_per_step = config.batch_size * data.sequence_length
    steps = math.ceil(config.tokens / tokens_per_step)
    report_every = math.ceil(steps / _REPORTS)
    eval_every = next_eval = math.ceil(config.eval_every_tokens / tokens_per_step)

    model.to(device).train()
    optimiser = build_optimiser(model, config)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    autocast = _autocast(config.precision, device)
    divergence = _Divergence()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    stopped = "finished"
    flops_per_step = 0
    training_s = 0.0
    train_loss = val_loss = math.nan
    step = 0
    while step < steps:
        step_started = time.perf_counter()
        batch = next(batches)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, config)
        # Every step does the same arithmetic, so the first one stands for all.
        with flop_counter() if step == 0 else nullcontext() as counter:
            with autocast():
                loss = batch_loss(model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
        if counter is not None:
            flops_per_step = counter.get_total_flops()
        if config.grad_clip:
            nn.utils.clip_grad_norm_(parameters, config.grad_clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step += 1

        report = step % report_every == 0 or step == steps
        if report:
            train_loss = loss.item()
        training_s += time.perf_counter() - step_started
        if not report:
            continue
        if divergence.after(train_loss):
            stopped = "diverged"
            break
        elapsed = time.perf_counter() - started
        out_of_time = config.wall_s is not None and elapsed > config.wall_s
        if step == steps or out_of_time:
            stopped = "wall_limit" if step < steps else "finished"
            break
        row = _row(step, step * tokens_per_step, train_loss, elapsed, training_s)
        if eval_every and step >= next_eval:
            row["val_loss"] = evaluate(model, val, autocast)
            next_eval += eval_every
        on_metrics({key: value for key, value in row.items() if math.isfinite(value)})

    if stopped != "diverged":
        val_loss = evaluate(model, val, autocast)
        if not math.isfinite(val_loss):
            stopped = "diverged"
    seconds = time.perf_counter() - started
    row = {**_row(step, step * tokens_per_step, train_loss, seconds, training_s), "val_loss": val_loss}
    on_metrics({key: value for key, value in row.items() if math.isfinite(value)})
    return TrainingResult(
        val_loss=val_loss,
        train_loss=train_loss,
        tokens=step * tokens_per_step,
        steps=step,
        seconds=seconds,
        tokens_per_second=step * tokens_per_step / training_s,
        flops=float(flops_per_step * step),
        peak_memory_bytes=peak_memory_bytes(device),
        params=sum(parameter.numel() for parameter in model.parameters()),
        stopped=stopped,
        byte_level=data.byte_level,
    )


def batch_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Return the mean cross-entropy over the targets that count, in nats, shape `()`."""
    logits = model(batch.inputs)  # (B, T, V)
    if batch.weights is None:
        return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    losses = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="none")
    weights = batch.weights.flatten()
    return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def evaluate(model: nn.Module, batches: Iterable[Batch], autocast: Callable[[], AbstractContextManager[Any]]) -> float:
    """Return the mean loss over all counted targets of `batches`, in nats; the model goes back to training mode."""
    model.eval()
    total = count = 0.0
    with torch.inference_mode(), autocast():
        for batch in batches:
            counted = float(batch.targets.numel() if batch.weights is None else batch.weights.sum())
            total += batch_loss(model, batch).item() * counted
            count += counted
    model.train()
    return total / max(count, 1.0)


class _Divergence:
    """Decides, from the losses reported so far, whether a training is lost."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.high = 0

    def after(self, loss: float) -> bool:
        if not math.isfinite(loss):
            return True
        if self.first is None:
            self.first = loss
        self.high = self.high + 1 if loss > _DIVERGED_FACTOR * self.first else 0
        return self.high >= _DIVERGED_REPORTS


def _row(step: int, tokens: int, train_loss: float, seconds: float, training_s: float) -> dict[str, float]:
    return {
        "step": step,
        "tokens": tokens,
        "train_loss": train_loss,
        "seconds": seconds,
        "tokens_per_second": tokens / training_s,
    }


def _autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Return a factory of autocast contexts: bfloat16 on a GPU that has it (or when asked for), else nothing."""
    if precision == "bfloat16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext
