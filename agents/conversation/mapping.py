"""Asking a language model which command a message means; its answer is read by the same parser as a person's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agents.conversation.meaning import Meaning, Question, Run, Steer, Unclear
from agents.conversation.sentences import read_slash, with_a_study
from agents.conversation.situation import Situation
from agents.llm.client import LanguageModel
from agents.paper_reader.plain import quotable
from neuramosaic.errors import UsageError
from neuramosaic.steering.commands import Kind as SteeringKind
from neuramosaic.tasks.registry import task_names

#: The most commands of one message.
MOST = 3
#: How often a model is asked for a message: its second answer is told what was wrong with the first.
ATTEMPTS = 2
_PURPOSE = "chat"

Kind = Literal[
    SteeringKind,
    "run",
    "undo",
    "status",
    "best",
    "trials",
    "why",
    "what-helps",
    "show",
    "papers",
    "log",
    "help",
    "unclear",
]
"""What a message may ask for: everything that steers, and what only the chat has."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MappedCommand(_Strict):
    """One command as a model names it.

    Attributes:
        kind: Which command.
        arguments: What stands behind it.
    """

    kind: Kind
    arguments: Annotated[str, Field(max_length=400)] = ""


class Mapped(_Strict):
    """What a model takes a message to mean."""

    commands: Annotated[list[MappedCommand], Field(min_length=1, max_length=MOST)]


def map_message(text: str, situation: Situation, model: LanguageModel) -> Meaning:
    """Have a model say which commands a message means.

    Args:
        text: The message.
        situation: What it is said in.
        model: Who is asked; every call is in its ledger.

    Returns:
        The meaning, or `Unclear` if the model sees none, or what it answers names what does not exist.

    Raises:
        ModelError: If the model gives no usable answer.
        BudgetSpentError: If a cap is reached.
    """
    problem = "none yet"
    for _ in range(ATTEMPTS):
        answer = model.ask(
            "chat_command",
            {
                "message": quotable(text, 1000),
                "names": _names(situation),
                "tasks": ", ".join(task_names()),
                "study": situation.study or "none",
                "problem": problem,
            },
            Mapped,
            purpose=_PURPOSE,
            temperature=0.0,
            max_tokens=300,
        )
        try:
            return _read(answer, situation)
        except UsageError as error:
            problem = str(error)
    return Unclear(f"the language model's answer could not be used: {problem}")


def _names(situation: Situation) -> str:
    names = situation.vocabulary.names
    lines = [f"- {slot}: {', '.join(known)}" for slot, known in names.components.items()]
    return "\n".join([*lines, f"- numeric dimensions: {', '.join(names.dimensions) or 'none'}"])


def _read(answer: Mapped, situation: Situation) -> Meaning:
    """Return what the commands mean together.

    Raises:
        UsageError: If one cannot be read, or they do not go together.
    """
    if any(command.kind == "unclear" for command in answer.commands):
        return Unclear("neither the rules nor the language model understood this; /help lists what can be said")
    meanings = [read_slash(f"/{command.kind} {command.arguments}".strip(), situation) for command in answer.commands]
    if len(meanings) == 1:
        (meaning,) = meanings
    elif all(isinstance(item, Steer) for item in meanings):
        meaning = Steer(tuple(one for item in meanings if isinstance(item, Steer) for one in item.commands))
    elif isinstance(meanings[0], Run) and all(isinstance(item, Steer) for item in meanings[1:]):
        steered = tuple(one for item in meanings[1:] if isinstance(item, Steer) for one in item.commands)
        meaning = Run(meanings[0].options, meanings[0].reads, (*meanings[0].then, *steered))
    else:
        questions = [item for item in meanings if isinstance(item, Question)]
        if len(questions) != len(meanings):
            raise UsageError("a question and a command do not go together: give only one of them")
        meaning = questions[0]
    return with_a_study(meaning, situation)
