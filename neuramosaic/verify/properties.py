"""The rung that holds a component to the properties that its card claims: it must be what it says it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from neuramosaic.verify.checks import ROUNDING, influence
from neuramosaic.verify.growth import exponents
from neuramosaic.verify.magnitude import LONGER
from neuramosaic.verify.report import CheckFailed
from neuramosaic.verify.subject import Subject, jittered, run_copy

#: A module with a bounded state does the same work for every position; padding and logarithms stay below this.
_BOUNDED_STATE_EXPONENT = 1.25
#: Share of the near influence below which the far one counts as decayed.
_DECAYED = 0.5


def properties(subject: Subject, claimed: Mapping[str, bool | int]) -> None:
    """Every claimed property holds.

    Args:
        subject: A component by itself.
        claimed: Names of `PROPERTIES` and what the card says of them.
    """
    for name, value in claimed.items():
        PROPERTIES[name](subject, value)


def receptive_field(subject: Subject, size: bool | int) -> None:
    """The output at t depends on the input at t - size + 1, and on none before it."""
    length = size + 8
    leaves, output = subject.forward_with_leaves(jittered(subject).eval(), subject.inputs(1, length))
    at = length - 1
    felt = influence(leaves, output, at)
    reaches = felt > 1e-8 * float(felt.max())
    farthest = at - int(reaches.nonzero()[0])
    if farthest + 1 != size:
        seen = f"{farthest + 1}" if farthest < at else f"at least {length}"
        raise CheckFailed(
            f"receptive_field: the output depends on the last {seen} positions, the card says {size}; "
            "correct the card, or the length of the window"
        )


def position_sensitive(subject: Subject, expected: bool | int) -> None:
    """The output at the end depends on the order of what came before it (or does not)."""
    module, inputs = jittered(subject), subject.inputs(2, 24)
    order = torch.cat((torch.arange(23).flip(0), torch.tensor([23])))
    one = run_copy(subject, module, inputs, training=False)[:, -1]
    two = run_copy(subject, module, inputs[:, order], training=False)[:, -1]
    difference = float((one - two).abs().max() / (one.abs().mean() + 1e-12))
    if (difference > 10 * ROUNDING) != expected:
        raise CheckFailed(
            f"position_sensitive: turning the past round changes the output by {difference:.1e} of its size, the card "
            f"says {str(bool(expected)).lower()}; "
            + ("let the order of positions enter" if expected else "treat the positions before t as a set")
        )


def recurrent_form(subject: Subject, _expected: bool | int) -> None:
    """The work per position does not grow with T, as it cannot where a bounded state is all that is carried.

    A necessary condition: it refutes the claim of anything that looks back at all positions, and proves no state.
    """
    exponent = exponents(subject)["work"]
    if exponent > _BOUNDED_STATE_EXPONENT:
        raise CheckFailed(
            f"recurrent_form: work grows as T^{exponent:.2f}, with a bounded state it grows as T; carry a state from "
            "chunk to chunk instead of looking back at every position"
        )


def decay_of_influence(subject: Subject, expected: bool | int) -> None:
    """At initialisation, far inputs act less on the output than near ones do (or do not)."""
    length = LONGER * subject.length
    felt = torch.zeros(length)
    for salt in range(4):
        leaves, output = subject.forward_with_leaves(subject.build().eval(), subject.inputs(1, length, salt=30 + salt))
        felt += influence(leaves, output, length - 1)
    near, far = float(felt[-length // 4 : -1].mean()), float(felt[: length // 4].mean())
    if (far < _DECAYED * near) != expected:
        raise CheckFailed(
            f"decay_of_influence: inputs {3 * length // 4} and more positions back act {far / max(near, 1e-30):.2f} "
            f"times as strongly as near ones, the card says {str(bool(expected)).lower()}; "
            + (f"let the influence fall below {_DECAYED:g}" if expected else "correct the card, or the decay")
        )


PROPERTIES: Mapping[str, Callable[[Subject, bool | int], None]] = {
    "receptive_field": receptive_field,
    "position_sensitive": position_sensitive,
    "recurrent_form": recurrent_form,
    "decay_of_influence": decay_of_influence,
}
