"""Asking about a paper: small questions with a schema each, and what was answered before is not asked again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from agents.llm.base import MalformedError, TruncatedError
from agents.llm.client import LanguageModel
from agents.llm.keys import redact
from neuramosaic.store.ledger import OK, Call, Ledger
from prompts import load_prompt

A = TypeVar("A", bound=BaseModel)

#: What the calls are for, in the ledger.
PURPOSE = "read a paper"
_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)


class Answer(BaseModel):
    """What is answered; nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid")


def reading(paper: str) -> str:
    """Return what the calls about a paper are for, in the ledger: their `trial`."""
    return f"paper {paper}"


class Questions:
    """The questions about one paper.

    Args:
        model: Who is asked.
        paper: Id of the paper.
        ledger: Where earlier answers are found; None: everything is asked.
    """

    def __init__(self, model: LanguageModel, paper: str, ledger: Ledger | None = None) -> None:
        self._model, self._trial = model, reading(paper)
        self._before = ledger.calls(None, trial=self._trial) if ledger is not None else []

    def ask(self, prompt: str, variables: Mapping[str, str], schema: type[A], *, max_tokens: int = 200) -> A:
        """Ask one question at temperature 0; an answer that the ledger has to the same question is taken.

        Raises:
            BudgetSpentError: If a cap is reached; what was answered so far is in the ledger.
            ModelError: If there is no usable answer.
        """
        known = self._known(prompt, variables, schema)
        if known is not None:
            return known
        return self._model.ask(
            prompt,
            variables,
            schema,
            purpose=PURPOSE,
            trial=self._trial,
            temperature=0.0,
            max_tokens=max_tokens,
        )

    def try_ask(self, prompt: str, variables: Mapping[str, str], schema: type[A], *, max_tokens: int = 200) -> A | None:
        """Ask one question that may stay open; None if what is answered cannot be used.

        Raises:
            BudgetSpentError, ModelError: As `ask`, but for answers that cannot be used.
        """
        try:
            return self.ask(prompt, variables, schema, max_tokens=max_tokens)
        except (MalformedError, TruncatedError):
            return None

    def _known(self, prompt: str, variables: Mapping[str, str], schema: type[A]) -> A | None:
        loaded = load_prompt(prompt)
        asked = [{"role": role, "content": redact(text)} for role, text in loaded.render(variables)]
        for call in reversed(self._before):
            if self._same(call, loaded.version) and [*map(dict, call.messages)][: len(asked)] == asked:
                text = call.answer or ""
                fenced = _FENCED.match(text)
                try:
                    return schema.model_validate_json(fenced[1] if fenced else text)
                except ValidationError:
                    continue
        return None

    def _same(self, call: Call, version: str) -> bool:
        model = self._model.provider.model
        return call.outcome == OK and call.prompt_version == version and call.model == model


# -- what may be answered ----------------------------------------------------------------------------------------------


class Chosen(Answer):
    """Passages that were chosen, by number."""

    passages: Annotated[list[Annotated[int, Field(ge=1, le=99)]], Field(max_length=3)]


class Copied(Answer):
    """An equation, and the passage that it stands in."""

    passage: Annotated[int, Field(ge=1, le=99)]
    line: Annotated[str, Field(min_length=1, max_length=300)]


class Equations(Answer):
    """Equations, in order."""

    equations: Annotated[list[Copied], Field(max_length=8)]


class Stated(Answer):
    """A property, and the sentence that states it."""

    sentence: Annotated[int, Field(ge=1, le=99)]
    what: Literal["window", "state", "fades", "order", "no_order"]


class Claims(Answer):
    """How the cost grows, and what is promised."""

    cost: Literal["linear", "log-linear", "quadratic"]
    cost_sentence: Annotated[int, Field(ge=0, le=99)]
    says: Annotated[list[Stated], Field(max_length=5)]


class Compared(Answer):
    """What is nearest, and how it stands to it."""

    nearest: Annotated[int, Field(ge=1, le=99)]
    difference: Annotated[str, Field(min_length=1, max_length=200)]
    relation: Literal["same", "variant", "new"]


def placed(slots: tuple[str, ...]) -> type[Answer]:
    """Return the answer to which slot a paper's layer fills."""
    part: Any = Literal[(*slots, "none")]
    sentence = Annotated[int, Field(ge=1, le=99)]
    name = Annotated[str, Field(max_length=60)]
    fields: dict[str, Any] = {"sentence": (sentence, ...), "part": (part, ...), "name": (name, ...)}
    return create_model("Placed", __base__=Answer, **fields)


def values_of(names: tuple[str, ...]) -> type[Answer]:
    """Return the answer to which values some settings have."""
    sentence = Annotated[int, Field(ge=1, le=99)]
    value = Annotated[float, Field(ge=0, le=1_000_000)]
    fields: dict[str, Any] = {"sentence": (sentence, ...), "name": (Literal[names], ...), "value": (value, ...)}
    setting: Any = create_model("Setting", __base__=Answer, **fields)
    return create_model("Settings", __base__=Answer, settings=(Annotated[list[setting], Field(max_length=3)], ...))
