"""The audit after training: the trained model itself must not know what it cannot know.

The ladder looks at a fresh model with noise on its parameters; this looks at the function that training found.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuramosaic.training.data import Batch
from neuramosaic.verify.report import Check, CheckFailed, VerificationReport

#: Greatest change, in nats, of the mean loss of the past when the future becomes noise; rounding is far below.
LARGEST_LEAK = 1e-3
#: Standard errors that the loss on random tokens may lie below their entropy: one honest model in 3 million does.
STANDARD_ERRORS = 5.0
_LEAK_ROWS, _CANARY_ROWS = 4, 8


def audit(model: nn.Module, batch: Batch, vocab_size: int, *, seed: int) -> VerificationReport:
    """Audit a trained model; the model goes back to the mode that it was in.

    Args:
        model: On the device of `batch`.
        batch: Windows of the task's validation split.
        vocab_size: V.
        seed: Of the random tokens.

    Returns:
        The checks `audit_leak` and `audit_canary`, both of them, whatever the first says.
    """
    generator = torch.Generator().manual_seed(seed % 2**32)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            checks = (
                _check("audit_leak", lambda: leak(model, batch, vocab_size, generator)),
                _check("audit_canary", lambda: canary(model, batch, vocab_size, generator)),
            )
    finally:
        model.train(was_training)
    return VerificationReport(checks)


def leak(model: nn.Module, batch: Batch, vocab_size: int, generator: torch.Generator) -> None:
    """The loss of the past is the same when the future becomes noise.

    Raises:
        CheckFailed: If it changes.
    """
    inputs, targets = batch.inputs[:_LEAK_ROWS], batch.targets[:_LEAK_ROWS]
    before = _losses(model, inputs, targets)
    for cut in sorted({1, inputs.shape[1] // 2, inputs.shape[1] - 1} - {0, inputs.shape[1]}):
        noise = torch.randint(vocab_size, inputs[:, cut:].shape, generator=generator).to(inputs.device)
        after = _losses(model, torch.cat((inputs[:, :cut], noise), dim=1), targets)
        change = float(after[:, :cut].mean() - before[:, :cut].mean())
        if not abs(change) <= LARGEST_LEAK:
            raise CheckFailed(
                f"with noise in the place of the input from position {cut} on, the loss before it changes by "
                f"{change:+.3f} nats: the trained model sees the future; let position t see positions 0..t only"
            )


def canary(model: nn.Module, batch: Batch, vocab_size: int, generator: torch.Generator) -> None:
    """On independent, uniform random tokens the loss is not below their entropy, ln V.

    Raises:
        CheckFailed: If it is, beyond statistical error.
    """
    tokens = torch.randint(vocab_size, (_CANARY_ROWS, batch.inputs.shape[1] + 1), generator=generator)
    tokens = tokens.to(batch.inputs.device)
    losses = _losses(model, tokens[:, :-1], tokens[:, 1:]).flatten().double()
    mean, entropy = float(losses.mean()), math.log(vocab_size)
    # Given the past, each loss has a mean of at least the entropy, so that losses less their means are uncorrelated.
    error = float(losses.std()) / math.sqrt(losses.numel())
    if not mean >= entropy - STANDARD_ERRORS * error - LARGEST_LEAK:
        raise CheckFailed(
            f"on random tokens the loss is {mean:.3f} nats, their entropy is {entropy:.3f}: nobody can predict "
            "them, so the trained model sees the token that it is to predict; let position t see positions 0..t only"
        )


def _losses(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of every position in nats, shape `(B, T)`."""
    logits = model(inputs).float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)


def _check(name: str, check: Callable[[], None]) -> Check:
    started = time.perf_counter()
    message = ""
    try:
        check()
    except CheckFailed as failure:
        message = str(failure)
    return Check(name, not message, message, time.perf_counter() - started)
