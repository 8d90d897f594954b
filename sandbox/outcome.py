"""From what a job left behind to what the store is told: strictly read, or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from neuramosaic.store.records import TrialOutcome, TrialState
from neuramosaic.verify.fingerprint import PATTERN, find
from sandbox.base import Exit, Outcome
from sandbox.printable import printable
from sandbox.strict_json import RefusedError, loads
from sandbox.weights import check_weights

MAX_RESULT_BYTES = 2**20
RESULT = "result.json"
WEIGHTS = "weights.safetensors"

MAX_REASON = 2_000
"""Characters of a reason that is told to the store."""
_MOST_INTEGER = 2**62  # the store's integers have 64 bits
_MOST_FLOAT = 1e300  # leaves room to compute with

_Short = Annotated[str, Field(max_length=200), AfterValidator(printable)]
_Text = Annotated[str, Field(max_length=20_000), AfterValidator(printable)]
_Count = Annotated[int, Field(ge=0, le=_MOST_INTEGER)]
_Measure = Annotated[float, Field(ge=0, le=_MOST_FLOAT)]
_Integer = Annotated[int, Field(ge=-_MOST_INTEGER, le=_MOST_INTEGER)]
_Float = Annotated[float, Field(ge=-_MOST_FLOAT, le=_MOST_FLOAT)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Check(_Strict):
    """One rung of the verification ladder."""

    name: _Short
    passed: bool
    message: _Text
    seconds: _Measure


class Verification(_Strict):
    """What the ladder said."""

    passed: bool
    checks: Annotated[list[Check], Field(max_length=100)]

    def failure(self, what: str = "verification") -> str:
        """Return the first failed check and its message."""
        for check in self.checks:
            if not check.passed:
                return f"{what} failed at {check.name}: {check.message}"
        return f"{what} failed"


class Training(_Strict):
    """What training measured. Losses in nats per token, times in seconds; see `neuramosaic.training`."""

    val_loss: _Measure | None = None
    val_bits_per_byte: _Measure | None = None
    val_perplexity: _Measure | None = None
    train_loss: _Measure | None = None
    tokens: _Count
    steps: _Count
    seconds: _Measure
    tokens_per_second: _Measure | None = None
    flops: _Measure | None = None
    peak_memory_bytes: _Count | None = None
    params: _Count
    stopped: Literal["finished", "diverged", "wall_limit"]

    def metrics(self) -> dict[str, float]:
        """Return the metrics that a finished trial is told."""
        names = ("val_loss", "val_bits_per_byte", "val_perplexity", "train_loss", "tokens_per_second")
        found = {name: getattr(self, name) for name in names}
        return {name: float(value) for name, value in found.items() if value is not None}


class RaisedError(_Strict):
    """What the code under test raised."""

    type: _Short
    message: _Text
    traceback: _Text


class TrialResult(_Strict):
    """The whole of `result.json`.

    Attributes:
        verification: The ladder; None if it did not come to that.
        training: None if it was not asked for, or did not come to that.
        counts: Parameters of a component, for each setting at each width that were asked; None if none were.
        audit: What the trained model was asked; None if it was not trained, or diverged.
        function: Fingerprint of what the model computed before it was trained; None if it did not come to that.
        environment: Versions, hardware and threads, as the worker saw them.
        error: What ended the worker early.
    """

    verification: Verification | None = None
    training: Training | None = None
    audit: Verification | None = None
    function: Annotated[str, Field(pattern=PATTERN, max_length=1000)] | None = None
    counts: Annotated[list[Annotated[list[_Count], Field(max_length=1000)]], Field(max_length=1000)] | None = None
    environment: Annotated[dict[_Short, _Text | _Integer | _Float | bool | None], Field(max_length=50)] = Field(
        default_factory=dict
    )
    error: RaisedError | None = None


@dataclass(frozen=True)
class TrialFailure:
    """Why a job has no result to go on with.

    Attributes:
        reason: For people, such as "out of memory: more than 2048 MiB"; of at most `MAX_REASON` characters.
        exit: How the job ended.
        partial: What could be read all the same, if anything.
    """

    reason: str
    exit: Exit
    partial: TrialResult = field(default_factory=TrialResult)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", _presentable(self.reason))


def read_trial_result(outcome: Outcome) -> TrialResult | TrialFailure:
    """Read `result.json` of a trial or of a verification.

    Returns:
        The result if the job finished and its code passed verification; else why not.
    """
    result = _read_finished(outcome)
    if isinstance(result, TrialFailure):
        return result
    if result.verification is None:
        return TrialFailure(f"{RESULT} has no verification", outcome.exit, result)
    if not result.verification.passed or not all(check.passed for check in result.verification.checks):
        return TrialFailure(result.verification.failure(), outcome.exit, result)
    return result


def read_counts(outcome: Outcome) -> list[list[int]] | TrialFailure:
    """Read `result.json` of a job that counts the parameters of a component.

    Returns:
        The counts, for each setting at each width, as the job gave them; else why there are none.
    """
    result = _read_finished(outcome)
    if isinstance(result, TrialFailure):
        return result
    if result.counts is None:
        return TrialFailure(f"{RESULT} has no counts", outcome.exit, result)
    return result.counts


def _read_finished(outcome: Outcome) -> TrialResult | TrialFailure:
    """Read what a job left that finished without an error, whatever it says."""
    try:
        result = _read(outcome)
    except RefusedError as error:
        reason = outcome.reason or f"the job left no valid {RESULT}: {error}"
        if outcome.exit is Exit.ERROR:
            reason = _last_words(outcome)
        return TrialFailure(reason, outcome.exit)
    if outcome.exit is Exit.ERROR:
        said = f"{result.error.type}: {result.error.message}" if result.error else _last_words(outcome)
        return TrialFailure(said, outcome.exit, result)
    if outcome.exit is not Exit.FINISHED:
        return TrialFailure(outcome.reason or str(outcome.exit), outcome.exit, result)
    if result.error is not None:
        return TrialFailure(f"{result.error.type}: {result.error.message}", outcome.exit, result)
    return result


def trial_outcome(outcome: Outcome, request: Mapping[str, Any]) -> TrialOutcome:
    """Return what the store is to be told of a trial.

    Args:
        outcome: How its job ended.
        request: What the job was asked (`job.json`).

    Returns:
        COMPLETE only if the job finished, verification passed, training used all tokens with a finite validation loss,
        the parameters that were expected and weights left, and the audit passed; PRUNED if it was not trained because
        it computes a function that the request knows; FAILED with a reason otherwise.
    """
    read = read_trial_result(outcome)
    result = read.partial if isinstance(read, TrialFailure) else read
    training = result.training
    reason = read.reason if isinstance(read, TrialFailure) else _presentable(_shortfall(outcome, result, request))
    duplicate_of = None
    if not isinstance(read, TrialFailure) and training is None and result.function is not None:
        duplicate_of = find(result.function, request.get("known_functions", {}))
        if duplicate_of is not None:
            number = duplicate_of.rpartition(".")[2]
            reason = f"computes the same function as trial {number}, with the same training numbers"
    state = TrialState.PRUNED if duplicate_of else TrialState.FAILED if reason else TrialState.COMPLETE
    environment = {
        **result.environment,
        "backend": outcome.backend,
        "image": outcome.image,
        "seed": request.get("seed"),
        "threads": request.get("threads"),
    }
    return TrialOutcome(
        state=state,
        metrics=training.metrics() if training is not None and not reason else {},
        reason=reason,
        seconds=outcome.seconds,
        cost_flops=training.flops if training is not None else None,
        peak_memory_bytes=training.peak_memory_bytes if training is not None else None,
        params=training.params if training is not None else None,
        verification=tuple(
            check.model_dump()
            for part in (result.verification, result.audit)
            if part is not None
            for check in part.checks
        ),
        environment=environment,
        function=result.function,
        duplicate_of=duplicate_of,
    )


def _shortfall(outcome: Outcome, result: TrialResult, request: Mapping[str, Any]) -> str:
    """Return why a verified job is no complete trial; empty if it is one."""
    training = result.training
    if training is None:
        return f"{RESULT} has no training"
    asked = request.get("training", {}).get("tokens")
    if training.stopped == "diverged":
        return f"training diverged at step {training.steps}"
    if training.stopped == "wall_limit":
        return f"training reached its wall limit after {training.tokens} of {asked} tokens"
    if training.val_loss is None:
        return "the validation loss is not finite"
    if isinstance(asked, int) and training.tokens < asked:
        return f"training stopped after {training.tokens} of {asked} tokens"
    expected = request.get("expected_params")
    if isinstance(expected, int) and training.params != expected:
        return f"the model trained has {training.params} parameters instead of {expected}"
    if result.audit is None or not result.audit.checks:
        return f"{RESULT} has no audit"
    if not result.audit.passed or not all(check.passed for check in result.audit.checks):
        return result.audit.failure("audit")
    if outcome.directory is None or WEIGHTS not in outcome.files:
        return f"the job left no {WEIGHTS}"
    try:
        check_weights(outcome.directory / WEIGHTS)
    except RefusedError as error:
        return f"weights refused: {error}"
    return ""


def _presentable(reason: str) -> str:
    """Return a reason, parts of which a job may have made up, fit for a table and a terminal."""
    text = printable(reason)
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def _read(outcome: Outcome) -> TrialResult:
    # Only what this job left: the folder may hold a result of an earlier attempt.
    if outcome.directory is None or RESULT not in outcome.files:
        raise RefusedError("it is missing")
    if outcome.files[RESULT] > MAX_RESULT_BYTES:
        raise RefusedError(f"{outcome.files[RESULT]} bytes, more than the {MAX_RESULT_BYTES} accepted")
    value = loads((outcome.directory / RESULT).read_bytes(), max_bytes=MAX_RESULT_BYTES)
    try:
        return TrialResult.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise RefusedError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _last_words(outcome: Outcome) -> str:
    lines = outcome.stderr_tail.strip().splitlines()
    return f"exit status {outcome.exit_code}: {lines[-1][:500] if lines else 'no message'}"
