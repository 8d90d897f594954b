"""The rungs that look at a module's behaviour. Each returns if it holds and raises `CheckFailed` if not.

Passes run on copies of the module (except in `stateless`), so that each rung sees only its own fault.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from neuramosaic.training.determinism import torch_stream
from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import Subject, jittered, output_of, run_copy

#: Differences up to this fraction of the output's size are rounding: other shapes are summed in another order.
ROUNDING = 1e-4
#: A gradient below this fraction of the largest is rounding.
GRADIENT_ROUNDING = 1e-5


def contract(subject: Subject) -> None:
    """Shapes and dtypes hold for several B and T: one token, odd lengths, longer than trained."""
    module = subject.build()
    length = subject.length
    for batch, time in ((2, length), (1, 1), (3, 7), (1, length + 13), (1, 2 * length)):
        inputs = subject.inputs(batch, time)
        output = run_copy(subject, module, inputs, training=False)
        expected = (batch, time, subject.out_features)
        if tuple(output.shape) != expected:
            raise CheckFailed(
                f"for B={batch}, T={time} the output has shape {tuple(output.shape)}; it must be {expected}"
            )
        if output.dtype != torch.float32:
            raise CheckFailed(f"the output is {output.dtype}; keep it float32, the dtype of the parameters")


def finite(subject: Subject) -> None:
    """No NaN or infinity, in both modes, also for extreme inputs."""
    cases = {"an ordinary input": subject.inputs(2, subject.length), **subject.extreme_inputs()}
    for module in (subject.build(), jittered(subject)):
        for name, inputs in cases.items():
            for training in (True, False):
                output = run_copy(subject, module, inputs, training=training)
                if not torch.isfinite(output).all():
                    mode = "training" if training else "eval"
                    raise CheckFailed(
                        f"{name} gives NaN or infinity in {mode} mode; look for a division or logarithm without an "
                        "epsilon, an exponential of a large number, or memory that is never written"
                    )


def causal(subject: Subject) -> None:
    """The output up to t is the same whatever comes after t, and whether or not anything does."""
    module, length = jittered(subject), subject.length
    inputs, others = subject.inputs(2, length), subject.inputs(2, length, salt=1)
    for training in (False, True):
        mode = "training" if training else "eval"
        base = run_copy(subject, module, inputs, training=training)
        for cut in _cuts(length):
            changed = torch.cat((inputs[:, :cut], others[:, cut:]), dim=1)
            output = run_copy(subject, module, changed, training=training)
            worst, at = _largest_difference(base[:, :cut], output[:, :cut])
            if worst > ROUNDING:
                raise CheckFailed(
                    f"the output at position {at} changes when the input from position {cut} on changes ({mode} mode, "
                    f"by {worst:.1e} of its size); let position t see positions 0..t only: mask, shift, or pad left"
                )
    base = run_copy(subject, module, inputs, training=False)
    if _draws_randomly(subject, module, inputs, base):
        return  # draws depend on the shape: nothing can be said of a shorter input, and `determinism` fails next
    for cut in (1, length // 2 + 1):
        worst, at = _largest_difference(base[:, :cut], run_copy(subject, module, inputs[:, :cut], training=False))
        if worst > 10 * ROUNDING:
            raise CheckFailed(
                f"the output at position {at} differs when the sequence ends at position {cut} (by {worst:.1e} of its "
                "size); let nothing depend on the length T of the sequence"
            )


def causal_gradient(subject: Subject) -> None:
    """No gradient flows from a position to an input after it: this sees leaks that cancel in the forward pass."""
    module = jittered(subject).train()
    length = subject.length
    with torch_stream(subject.seed, "verify", "pass"):
        leaves, output = subject.forward_with_leaves(module, subject.inputs(1, length))
    for position in (0, length // 3, length - 2):
        felt = influence(leaves, output, position)
        ahead = float(felt[position + 1 :].max())
        if ahead > GRADIENT_ROUNDING * float(felt.max()):
            raise CheckFailed(
                f"the output at position {position} has a gradient to position "
                f"{position + 1 + int(felt[position + 1 :].argmax())}, which comes after it; cut every path from "
                "later positions, also those that cancel in the forward pass"
            )


def batch_independence(subject: Subject) -> None:
    """The output for one sample is the same whatever else is in the batch, and whether or not anything is."""
    module = jittered(subject)
    inputs, others = subject.inputs(3, subject.length), subject.inputs(3, subject.length, salt=2)
    for training in (False, True):
        base = run_copy(subject, module, inputs, training=training)
        changed = torch.cat((inputs[:1], others[1:]))
        others_changed = [run_copy(subject, module, changed, training=training)]
        if not training and not _draws_randomly(subject, module, inputs, base):
            others_changed.append(run_copy(subject, module, inputs[:1], training=False))
        for output in others_changed:
            worst, _ = _largest_difference(base[:1], output[:1])
            if worst > ROUNDING:
                raise CheckFailed(
                    f"the output for one sample changes with the other samples of the batch (by {worst:.1e} of its "
                    "size); never reduce, sort or share a capacity over the batch dimension"
                )


def determinism(subject: Subject) -> None:
    """Two builds from one seed are the same, and two passes in eval mode are."""
    first, second = subject.build(), subject.build()
    for (name, value), again in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        if not torch.equal(value, again):
            raise CheckFailed(f"{name} starts differently with the same seed; draw it with torch's own generator only")
    inputs = subject.inputs(2, subject.length)
    module = jittered(subject)
    one, two = (run_copy(subject, module, inputs, training=False, draws=draws) for draws in ("pass", "other"))
    worst, _ = _largest_difference(one, two)
    if worst > ROUNDING:
        raise CheckFailed(
            f"two passes over the same input differ in eval mode (by {worst:.1e} of their size); use no randomness "
            "when self.training is False, and no clock or counter at all"
        )


def stateless(subject: Subject) -> None:
    """A pass changes nothing for the passes after it."""
    module = jittered(subject)
    inputs = subject.inputs(2, subject.length)
    with torch_stream(subject.seed, "verify", "pass"), torch.no_grad():
        before = output_of(module.eval(), inputs)
        output_of(module.train(), subject.inputs(3, subject.length, salt=3))
        output_of(module.eval(), subject.inputs(1, 5, salt=4))
        after = output_of(module, inputs)
    worst, _ = _largest_difference(before, after)
    if worst > ROUNDING:
        raise CheckFailed(
            f"the output for an input changes after other inputs were seen (by {worst:.1e} of its size); keep no state "
            "between calls: no running statistics, no cache of activations, no counter"
        )


def mixing(subject: Subject) -> None:
    """The output at t depends on the input at t - 1."""
    module = jittered(subject).eval()
    leaves, output = subject.forward_with_leaves(module, subject.inputs(1, subject.length))
    for position in (1, subject.length // 2, subject.length - 1):
        felt = influence(leaves, output, position)
        if not float(felt[position - 1]) > 1e-8 * float(felt.max()):
            raise CheckFailed(
                f"the output at position {position} does not depend on the input at position {position - 1}; a mixer "
                "must carry information from each token to the next"
            )


def parameter_count(subject: Subject) -> None:
    """The number of parameters is the one that the search planned with."""
    actual = sum(parameter.numel() for parameter in subject.build().parameters())
    if subject.expected_params is not None and actual != subject.expected_params:
        raise CheckFailed(
            f"{actual} parameters instead of {subject.expected_params}; create exactly the parameters that the "
            "architecture describes"
        )


def _draws_randomly(subject: Subject, module: nn.Module, inputs: Tensor, output: Tensor) -> bool:
    """Return whether eval mode gives another output with another random stream."""
    return _largest_difference(output, run_copy(subject, module, inputs, training=False, draws="other"))[0] > ROUNDING


def _cuts(length: int) -> tuple[int, ...]:
    return tuple(sorted({1, length // 3, length // 2, length - 1}))


def _largest_difference(one: Tensor, two: Tensor) -> tuple[float, int]:
    """Return the largest difference relative to the size of `one`, and the position (dim 1) where it is."""
    size = float(one.abs().mean()) + 1e-12
    by_position = (one - two).abs().amax(dim=(0, 2)) / size
    worst = int(by_position.argmax())
    return float(by_position[worst]), worst


def influence(leaves: list[Tensor], output: Tensor, position: int) -> Tensor:
    """Return how strongly the input at each position acts on the output at `position`, shape `(T,)`."""
    # A fixed projection with no symmetry: a plain sum has no gradient through a normalisation.
    weights = torch.sin(torch.arange(1.0, output.shape[-1] + 1.0))
    gradients = torch.autograd.grad((output[0, position] * weights).sum(), leaves, retain_graph=True, allow_unused=True)
    total = torch.zeros(leaves[0].shape[1])
    for gradient in gradients:
        if gradient is not None:
            total += gradient.abs().sum(dim=(0, 2))
    return total
