"""The two ways to have a card's component written that `verified_code.py` compares: asked for directly, and ours."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from agents.bench import Bench
from agents.component_file import parse_component
from agents.curator import prove
from agents.llm.base import ModelError
from agents.llm.client import LanguageModel
from neuramosaic.codegen.sketch.compiler import class_name
from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.errors import UsageError
from neuramosaic.store.ledger import OK, Call, Ledger
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings

#: Tokens of an answer; the longest reference needs about a thousand.
MAX_ANSWER_TOKENS = 1536
TEMPERATURE = 0.7
PROMPT = "write_directly"
_FENCED = re.compile(r"\A\s*```(?:python)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


class Code(BaseModel):
    """What the model answers."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Outcome:
    """What came of one card.

    Attributes:
        verified: Whether a candidate passed the whole proof.
        attempts: Candidates that were checked, answers that held no code among them.
        tokens: Tokens in and out of all calls.
        seconds: Wall time, of asking and of checking.
        failures: `check` and `message` of each candidate that failed, in order.
        depth: How our writer wrote it; None unless verified by it.
    """

    verified: bool
    attempts: int
    tokens: int
    seconds: float
    failures: list[dict[str, str]] = field(default_factory=list)
    depth: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


class Arm(Protocol):
    """A way to have a component written."""

    name: str

    def write(self, card: Card) -> Outcome:
        """Have a card's component written."""


class Direct:
    """Asks for the whole component with one prompt; independent samples until one is proved or the budget is used up.

    As many samples as the provider has slots are asked for at once. Another round begins as long as fewer tokens than
    the budget are used, so that this arm is never given less than the budget.

    Args:
        model: The client; one that does not retry, since a corrected answer is no independent sample.
        store: Holds the ledger.
        bench: A started one.
        known: The catalogue that the models of a proof are made from.
        tokens: In and out, per card.
    """

    name = "direct"

    def __init__(self, model: LanguageModel, store: Store, bench: Bench, known: Catalogue, *, tokens: int) -> None:
        self._model, self._ledger = model, Ledger(store)
        self._bench, self._known = bench, known
        self._tokens = tokens

    def write(self, card: Card) -> Outcome:
        """Sample until one is proved or the budget is used up.

        Raises:
            ModelError: If the model cannot be asked.
        """
        begun = time.perf_counter()
        failures: list[dict[str, str]] = []
        verified, used = False, 0
        while not verified and used < self._tokens:
            before = len(self._ledger.calls())
            codes = self._sample(card)
            calls = self._ledger.calls()[before:]
            used += sum(_tokens(call) for call in calls)
            failures += [{"check": "answer", "message": call.message} for call in calls if call.outcome != OK]
            for code in codes:
                failure = self._failure(card, code)
                if failure is None:
                    verified = True
                    break
                failures.append(failure)
        return Outcome(verified, len(failures) + verified, used, time.perf_counter() - begun, failures)

    def _sample(self, card: Card) -> list[str]:
        """Return the code of the answers of one round: fewer than were asked for if some were none."""
        try:
            answers = self._model.ask_many(
                PROMPT,
                {"slot": str(card.slot), "signature": _signature(card), "card": card.to_yaml()},
                Code,
                purpose=self.name,
                samples=self._model.provider.slots,
                temperature=TEMPERATURE,
                max_tokens=MAX_ANSWER_TOKENS,
            )
        except ModelError as error:
            if not error.worked:  # nobody there, or refused: says nothing of the code that the model would write
                raise
            return []
        return [answer.code for answer in answers]

    def _failure(self, card: Card, code: str) -> dict[str, str] | None:
        """Return what a candidate failed, or None if it is proved."""
        fenced = _FENCED.match(code)
        try:
            spec = parse_component(_with_class_name(fenced[1] if fenced else code, card), card, where="the answer")
            proof = prove(spec, card, self._bench, self._known)
        except UsageError as error:  # no Python, no class in it, or none that can be a component
            return {"check": "parse", "message": str(error)}
        if proof.passed:
            return None
        failed = next(check for check in proof.verdict.checks if not check["passed"])
        return {"check": failed["name"], "message": failed["message"]}


def _with_class_name(code: str, card: Card) -> str:
    """Return the code with a class that is called as its card in snake case renamed: no candidate fails for that."""
    return re.sub(rf"\b{card.name}\b(?=\s*[(,])", class_name(card), code)


class Ours:
    """Our writer, with the budget that direct prompting has. Each card by itself: nothing written before is an example.

    Args:
        model: The client.
        store: Where the writings go.
        bench: A started one.
        known: The catalogue.
        workspace: Directory of the store.
        tokens: In and out, per card.
        on_progress: Told how it goes on.
    """

    name = "ours"

    def __init__(
        self,
        model: LanguageModel,
        store: Store,
        bench: Bench,
        known: Catalogue,
        *,
        workspace: Path,
        tokens: int,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        from agents.writer.writer import ComponentWriter, WriterLimits

        limits = WriterLimits(tokens=tokens)
        self._writer = ComponentWriter(model, bench, store, workspace, limits=limits, on_progress=on_progress)
        self._store, self._known = store, known

    def write(self, card: Card) -> Outcome:
        """Have the writer write it, as if it had never failed at this card."""
        writing = Writings(self._store).add(card, source="person")
        written = self._writer.write(writing, self._known, again=True)
        failures = [failure.to_json() for failure in written.failures]
        return Outcome(written.verified, written.attempts, written.tokens, written.seconds, failures, written.depth)


def _signature(card: Card) -> str:
    """Return the parameters of the class's `__init__`, as Python writes them."""
    given = ["self", "d_model", *(["block"] if card.slot is Slot.MODULATOR else [])]
    return ", ".join([*given, *(f"{item.name}={item.default!r}" for item in card.hyperparameters)])


def _tokens(call: Call) -> int:
    """Return the tokens of a call; the bound on them where the server did not count."""
    if call.tokens_in is None or call.tokens_out is None:
        return call.counted_tokens
    return call.tokens_in + call.tokens_out
