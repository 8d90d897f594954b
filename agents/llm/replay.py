"""Answers from a study's ledger: the study again, with no model present."""

from __future__ import annotations

from agents.llm.base import ERRORS, Answer, NoRecordedAnswerError, Request, Usage
from agents.llm.prices import FREE
from neuramosaic.store.ledger import OK, Ledger


class ReplayProvider:
    """Answers each request as a study's ledger has it, a failure included. It costs nothing.

    Args:
        ledger: The ledger that holds the answers.
        study: The study to repeat.
    """

    name = "replay"
    slots = 4
    price = FREE

    def __init__(self, ledger: Ledger, study: str) -> None:
        self._ledger, self._study = ledger, study
        self.model = study

    def complete(self, request: Request, request_id: str) -> Answer:
        """Return the recorded answer, or raise the recorded failure: see `Provider.complete`."""
        calls = self._ledger.calls(self._study, request=request_id)
        if not calls:
            raise NoRecordedAnswerError(request.prompt, request.purpose, f"the ledger of {self._study}")
        last = calls[-1]
        known = last.tokens_in is not None and last.tokens_out is not None
        usage = Usage(last.tokens_in or 0, last.tokens_out or 0) if known else None
        if last.outcome == OK:
            return Answer(last.answer or "", usage)
        failure = ERRORS[last.outcome](last.message)
        failure.answer, failure.usage, failure.retry = last.answer, usage, False
        raise failure

    def close(self) -> None:
        """Nothing is held: the ledger belongs to whoever opened it."""
