"""The two rungs that look at the size of the output: at initialisation, and past the length that is trained."""

from __future__ import annotations

from torch import Tensor

from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import Subject, jittered, run_copy

#: Root mean square of the output at initialisation, for inputs (or embeddings) of size about 1.
SMALLEST_OUTPUT, LARGEST_OUTPUT = 1e-3, 30.0
#: How many times the trained length `longer` runs at.
LONGER = 4
#: How much the size of the output past the trained length may differ from that before it, either way.
LARGEST_DRIFT = 20.0


def scale(subject: Subject) -> None:
    """A fresh module neither blows its input up nor lets it vanish.

    Zero is a fair start (an output projection that begins at zero); the module is then looked at with noise on its
    parameters.
    """
    inputs = subject.inputs(4, subject.length)
    size = _size(run_copy(subject, subject.build(), inputs, training=False))
    if size == 0.0:
        size = _size(run_copy(subject, jittered(subject), inputs, training=False))
    if size > LARGEST_OUTPUT:
        raise CheckFailed(
            f"at initialisation the output has size {size:.1e} (root mean square), at most {LARGEST_OUTPUT:g} is "
            "sound; scale what is summed by 1/sqrt(its number), and start weights at 1/sqrt(fan-in)"
        )
    if size < SMALLEST_OUTPUT:
        raise CheckFailed(
            f"at initialisation the output has size {size:.1e} (root mean square), at least {SMALLEST_OUTPUT:g} is "
            "sound; start weights at 1/sqrt(fan-in), and do not multiply by small constants or many gates in a row"
        )


def longer(subject: Subject) -> None:
    """On sequences longer than trained the output stays finite and keeps its size."""
    length = subject.length
    output = run_copy(subject, subject.build(), subject.inputs(1, LONGER * length), training=False)
    if not output.isfinite().all():
        raise CheckFailed(
            f"at {LONGER} times the trained length the output is NaN or infinite; let no sum or product grow with the "
            "position: decay it, or divide by what was summed"
        )
    within, past = output[:, length // 2 : length], output[:, length:]
    # The largest position, not the mean: what blows up does so at the end.
    before = float(within.square().mean(dim=-1).sqrt().median())
    after = float(past.square().mean(dim=-1).sqrt().amax())
    if before > 0.0 and after > LARGEST_DRIFT * before:
        raise CheckFailed(
            f"past the trained length the output grows to {after / before:.0f} times its size before; let no sum or "
            "product grow with the position: decay it, or divide by what was summed"
        )
    last = float(output[:, -length // 2 :].square().mean(dim=-1).sqrt().median())
    if last * LARGEST_DRIFT < before:
        raise CheckFailed(
            f"past the trained length the output shrinks to {last / before:.1e} of its size before; let later "
            "positions count as much as early ones: no factor that falls with the position"
        )


def _size(output: Tensor) -> float:
    return float(output.square().mean().sqrt())
