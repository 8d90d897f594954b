"""Answers from a study's ledger: the study again, with no model present."""

from __future__ import annotations

import threading
from collections import Counter

from agents.llm.base import (
    ERRORS,
    LOCAL_SLOTS,
    REMOTE_SLOTS,
    Answer,
    BudgetSpentError,
    ModelError,
    NoRecordedAnswerError,
    Request,
    Usage,
)
from agents.llm.prices import FREE
from neuramosaic.store.ledger import OK, Call, Ledger


def recorded_failure(call: Call) -> ModelError:
    """Return the error with which a recorded attempt failed."""
    failure = ERRORS[call.outcome](call.message)
    failure.answer, failure.usage = call.answer, _usage(call)
    return failure


def _usage(call: Call) -> Usage | None:
    known = call.tokens_in is not None and call.tokens_out is not None
    return Usage(call.tokens_in or 0, call.tokens_out or 0) if known else None


class ReplayProvider:
    """Answers each request as a study's ledger has it, attempt by attempt, failures included. It costs nothing.

    What a cap stopped in one session and a later one asked after all counts as asked; where the cap had the last word,
    it has it again.

    Args:
        ledger: The ledger that holds the answers.
        study: The study to repeat.

    Attributes:
        model: The model that answered then: what is known of its failures is known of its answers.
        slots: As many as whoever answered then had, so that as many samples are asked for.
    """

    name = "replay"
    price = FREE

    def __init__(self, ledger: Ledger, study: str) -> None:
        self._ledger, self._study = ledger, study
        self._given: Counter[str] = Counter()
        self._lock = threading.Lock()
        calls = ledger.calls(study)
        self.model = calls[0].model if calls else study
        self.slots = REMOTE_SLOTS if calls and calls[0].provider == "openai" else LOCAL_SLOTS

    def complete(self, request: Request, request_id: str) -> Answer:
        """Return the recorded answer, or raise the recorded failure: see `Provider.complete`.

        Raises:
            BudgetSpentError: If the study's cap was reached there.
        """
        calls = self._attempts(request_id)
        with self._lock:
            number = self._given[request_id]
            self._given[request_id] += 1
        if not calls:
            raise NoRecordedAnswerError(request.prompt, request.purpose, f"the ledger of {self._study}")
        call = calls[min(number, len(calls) - 1)]
        if call.outcome == OK:
            return Answer(call.answer or "", _usage(call))
        if call.outcome == BudgetSpentError.kind:
            raise BudgetSpentError(**call.parameters["cap"])
        failure = recorded_failure(call)
        failure.retry = number + 1 < len(calls)
        raise failure

    def close(self) -> None:
        """Nothing is held: the ledger belongs to whoever opened it."""

    def _attempts(self, request_id: str) -> list[Call]:
        """Return what became of a request, up to its answer; a cap only where nothing came after it."""
        calls = self._ledger.calls(self._study, request=request_id)
        return [call for call in calls[:-1] if call.outcome != BudgetSpentError.kind] + calls[-1:]
