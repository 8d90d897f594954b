"""AdamW with the usual two groups, and the learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from neuramosaic.training.config import TrainingConfig


def build_optimiser(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW (arXiv 1711.05101): matrices and embeddings decay; gains, biases and other vectors do not.

    The fused kernel updates each parameter in one pass over memory, on the CPU too.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [item for item in parameters if item.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [item for item in parameters if item.dim() < 2], "weight_decay": 0.0},
    ]
    fused = all(torch.is_floating_point(parameter) for parameter in parameters)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate, betas=config.betas, fused=fused
    )


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine (arXiv 1608.03983) to the floor.

    Args:
        step: From 0 to `steps - 1`.
        steps: Length of the whole training.
        config: Peak, floor and warm-up.
    """
    warmup = round(config.warmup_fraction * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - 1 - warmup, 1)
    floor = config.learning_rate * config.min_lr_fraction
    return floor + (config.learning_rate - floor) * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
