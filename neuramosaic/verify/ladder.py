"""The ladder: checks in order, cheapest first, stopping at the first that fails.

It runs code that nobody has vouched for, so on a host it belongs inside a sandbox worker.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from neuramosaic.training.determinism import deterministic_kernels
from neuramosaic.verify import checks, growth, learning, magnitude
from neuramosaic.verify.imports import check_imports
from neuramosaic.verify.modulator import ModulatorSubject, block_used
from neuramosaic.verify.properties import properties
from neuramosaic.verify.report import Check, CheckFailed, VerificationReport
from neuramosaic.verify.subject import ComponentSubject, ModelSubject, Subject

Rung = tuple[str, Callable[[], None]]
OnRung = Callable[[VerificationReport], None]

#: Longest sequence that the checks run at; longer ones show nothing that this does not.
LONGEST_CHECK = 256
#: The slots whose components can be verified by themselves; the others are verified in a model.
HARNESS_SLOTS = ("mixer", "channel", "norm", "modulator")
#: Model dimensions that a component is built at; 44 is no multiple of the usual numbers of heads.
WIDTHS = (32, 44)
COMPONENT_LENGTH = 80
#: What a report says of a rung that the code did not return from.
ENDED = "the process ended during this check; let the code neither end its process nor start others"


class Ladder:
    """A sequence of named checks.

    Args:
        rungs: Name and check, in order.
    """

    def __init__(self, rungs: list[Rung]) -> None:
        self.rungs = rungs

    def climb(self, on_rung: OnRung | None = None) -> VerificationReport:
        """Run the checks up to the first that fails.

        An exception of the code under test fails the rung on which it was raised.

        Args:
            on_rung: Told before each rung what the report is to be if the process should end on it.

        Raises:
            MemoryError: Running out of memory is not a verdict about the code.
        """
        done: list[Check] = []
        for name, check in self.rungs:
            if on_rung is not None:
                on_rung(VerificationReport((*done, Check(name, False, ENDED, 0.0))))
            started = time.perf_counter()
            message = ""
            try:
                check()
            except CheckFailed as failure:
                message = str(failure)
            except MemoryError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever foreign code raises is an observation about it
                message = _describe(error)
            done.append(Check(name, not message, message, time.perf_counter() - started))
            if message:
                break
        return VerificationReport(tuple(done))


def verify_model(
    make_model: Callable[[], nn.Module],
    *,
    vocab_size: int,
    sequence_length: int,
    seed: int,
    expected_params: int | None = None,
    source: str | None = None,
    on_rung: OnRung | None = None,
) -> VerificationReport:
    """Verify a model.

    Args:
        make_model: Builds it, loading its code only when called: the import check comes before.
        vocab_size: V.
        sequence_length: T that it will be trained at.
        seed: Of inputs and initialisation.
        expected_params: Parameters that it must have; None to accept any number.
        source: Text of its file; None leaves the import check out.
        on_rung: Told before each rung; see `Ladder.climb`.
    """
    subject = ModelSubject(make_model, vocab_size, seed, min(sequence_length, LONGEST_CHECK), expected_params)
    return _climb(_rungs([subject], source), on_rung)


def verify_component(
    make_component: Callable[..., nn.Module],
    *,
    slot: str,
    seed: int,
    expected_params: int | None = None,
    source: str | None = None,
    cost: str | None = None,
    claimed: Mapping[str, bool | int] | None = None,
    on_rung: OnRung | None = None,
) -> VerificationReport:
    """Verify a mixer, channel or norm by itself, or a modulator around a small block of ours.

    Args:
        make_component: Builds it for a model dimension, a modulator also for a `block`, loading its code only when
            called.
        slot: "mixer", "channel", "norm" or "modulator".
        seed: Of inputs and initialisation.
        expected_params: Parameters that it must have at D = 32, a modulator with its block; None to accept any number.
        source: Text of its file; None leaves the import check out.
        cost: Declared growth with T: "constant", "linear", "log-linear" or "quadratic"; None leaves that check out.
        claimed: Properties that its card claims, by name; see `neuramosaic.verify.properties`.
        on_rung: Told before each rung; see `Ladder.climb`.

    Raises:
        ValueError: If components of the slot cannot stand alone; verify a model that holds it instead.
    """
    if slot not in HARNESS_SLOTS:
        raise ValueError(f"a {slot} cannot be verified by itself: verify a model that holds it")
    kind = ModulatorSubject if slot == "modulator" else ComponentSubject
    mixes = slot in ("mixer", "modulator")
    subjects = [kind(make_component, width, seed, COMPONENT_LENGTH, mixes, expected_params) for width in WIDTHS]
    return _climb(_rungs(subjects, source, cost, claimed or {}), on_rung)


def _rungs(
    subjects: Sequence[Subject],
    source: str | None,
    cost: str | None = None,
    claimed: Mapping[str, bool | int] | None = None,
) -> list[Rung]:
    # Shapes may go wrong at one width only; the rest of the ladder is climbed at the first.
    subject = subjects[0]

    def contract() -> None:
        for item in subjects:
            checks.contract(item)

    rungs: list[Rung] = [] if source is None else [("import_allow_list", lambda: check_imports(source))]
    rungs += [
        ("contract", contract),
        ("finite", lambda: checks.finite(subject)),
        ("scale", lambda: magnitude.scale(subject)),
        ("causal", lambda: checks.causal(subject)),
        ("causal_gradient", lambda: checks.causal_gradient(subject)),
        ("batch_independence", lambda: checks.batch_independence(subject)),
        ("determinism", lambda: checks.determinism(subject)),
        ("stateless", lambda: checks.stateless(subject)),
        ("longer", lambda: magnitude.longer(subject)),
    ]
    if isinstance(subject, ModulatorSubject):
        rungs.append(("block_used", lambda: block_used(subject)))
    rungs.append(("gradients", lambda: learning.gradients(subject)))
    if subject.mixes:
        rungs.append(("mixing", lambda: checks.mixing(subject)))
    if subject.expected_params is not None:
        rungs.append(("parameter_count", lambda: checks.parameter_count(subject)))
    if cost is not None:
        rungs.append(("growth", lambda: growth.growth(subject, cost)))
    if claimed:
        rungs.append(("properties", lambda: properties(subject, claimed)))
    rungs.append(("overfits", lambda: learning.overfits(subject)))
    return rungs


def _climb(rungs: list[Rung], on_rung: OnRung | None) -> VerificationReport:
    with deterministic_kernels(), torch.random.fork_rng():
        return Ladder(rungs).climb(on_rung)


def _describe(error: BaseException) -> str:
    """Return what was raised and where in the code under test, in one line."""
    text = " ".join(str(error).split())[:400]
    frames = traceback.extract_tb(error.__traceback__)
    package = Path(__file__).parents[1]
    ours = (package, package.parent / "sandbox")
    foreign = [
        frame
        for frame in frames
        if "torch" not in Path(frame.filename).parts and not any(map(Path(frame.filename).is_relative_to, ours))
    ]
    if not foreign:  # it could not even be called
        return f"{type(error).__name__}: {text}; take the arguments that the contract of its slot says"
    return f"{type(error).__name__} at {Path(foreign[-1].filename).name}:{foreign[-1].lineno}: {text}; fix this line"
