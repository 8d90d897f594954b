"""The two rungs that look at learning: gradients reach everything, and one batch can be overfitted."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from neuramosaic.training.determinism import torch_stream
from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import Subject, jittered

#: Batches over which gradients are gathered: a router may leave an expert without a token in one of them.
_GRADIENT_BATCHES = 4
_OVERFIT_BATCH, _OVERFIT_LENGTH = 4, 24
_OVERFIT_STEPS = 120
#: Loss that must be reached, as a fraction of what is reached by knowing only how often each token occurs in the batch.
_OVERFIT_FRACTION = 0.8
_OVERFIT_RATES = (3e-3, 1e-2)


def gradients(subject: Subject) -> None:
    """A gradient that is finite and not zero reaches every parameter and every position of the input."""
    module = jittered(subject).train()
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            raise CheckFailed(f"parameter {name} is frozen; make it trainable, or register it as a buffer")
    length = min(subject.length, 96)
    for attempt in range(_GRADIENT_BATCHES):
        with torch_stream(subject.seed, "verify", "pass"):
            leaves, output = subject.forward_with_leaves(module, subject.inputs(8, length, salt=10 + attempt))
            projection = torch.randn_like(output)
        (output * projection).mean().backward()  # type: ignore[no-untyped-call]
        if not any(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves):
            raise CheckFailed("no gradient reaches the input; keep the path from input to output differentiable")
        missing = _parameters_without_gradient(module)
        if not missing:
            return
    raise CheckFailed(
        f"no gradient reaches {', '.join(missing[:4])}{' ...' if len(missing) > 4 else ''}; use every parameter in the "
        "output, and do not detach, round or compare on the way"
    )


def overfits(subject: Subject) -> None:
    """Trained on one batch of random tokens, the loss falls clearly below what token frequencies alone explain."""
    reached = []
    for rate in _OVERFIT_RATES:
        loss, entropy = _train_on_one_batch(subject, rate)
        if loss < _OVERFIT_FRACTION * entropy:
            return
        reached.append(loss)
    raise CheckFailed(
        f"after {_OVERFIT_STEPS} steps on one batch the loss is {min(reached):.2f} nats, token frequencies alone "
        f"give {entropy:.2f}; let the signal through at a scale near 1: check initialisation, residual path and gates"
    )


def _parameters_without_gradient(module: nn.Module) -> list[str]:
    missing = []
    for name, parameter in module.named_parameters():
        if parameter.grad is None or not bool(parameter.grad.any()):
            missing.append(name)
        elif not bool(torch.isfinite(parameter.grad).all()):
            raise CheckFailed(
                f"the gradient of {name} is NaN or infinite; look for a square root, norm or division at zero"
            )
    return missing


def _train_on_one_batch(subject: Subject, rate: float) -> tuple[float, float]:
    """Return the last loss and the unigram entropy of the batch, both in nats."""
    model, vocab_size = subject.language_model()
    model.train()
    generator = torch.Generator().manual_seed(subject.seed % 2**32 + 20)
    # Nearly every token is followed by one other only, so that a component that mixes nothing can learn it too.
    tokens = torch.randint(min(vocab_size, 64), (_OVERFIT_BATCH, _OVERFIT_LENGTH + 1), generator=generator)
    inputs, targets = tokens[:, :-1], tokens[:, 1:].flatten()
    shares = torch.bincount(targets).float() / targets.numel()
    entropy = float(-(shares[shares > 0] * shares[shares > 0].log()).sum())
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    loss = math.inf
    with torch_stream(subject.seed, "verify", "overfit"):
        for step in range(_OVERFIT_STEPS):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 10)
            logits = model(inputs)
            objective = F.cross_entropy(logits.flatten(0, 1), targets)
            loss = objective.item()
            if not math.isfinite(loss) or loss < _OVERFIT_FRACTION * entropy:
                break
            optimiser.zero_grad(set_to_none=True)
            objective.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    return loss if math.isfinite(loss) else math.inf, entropy
