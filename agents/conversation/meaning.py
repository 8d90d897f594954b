"""What a message can mean: a closed set of records, each of which can be written as slash commands and read back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from neuramosaic.steering import SteeringCommand, describe
from neuramosaic.steering.commands import slash as steering_slash

QuestionKind = Literal["status", "best", "trials", "why", "what-helps", "show", "papers", "log", "help"]

#: How each question is written, and what it answers.
QUESTIONS: Mapping[str, tuple[str, str]] = {
    "status": ("/status", "how the study stands"),
    "best": ("/best", "the best trial against the baseline"),
    "trials": ("/trials", "the leaderboard"),
    "why": ("/why [N]", "why trial N failed or was pruned; without N, what failed"),
    "what-helps": ("/what-helps", "components by their effect on the loss, with intervals"),
    "show": ("/show N", "trial N"),
    "papers": ("/papers TEXT", "passages of papers about something"),
    "log": ("/log", "what steers the study, and all that was asked of it"),
    "help": ("/help", "the commands"),
}


@dataclass(frozen=True)
class Run:
    """A new study.

    Attributes:
        options: Of its configuration, as `StudyConfig.from_mapping` takes them.
        reads: Papers that are read first, as people name them.
        then: What steers it from its beginning.
        unused: Words of the message that had no part in this.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    then: tuple[SteeringCommand, ...] = ()
    unused: str = ""


@dataclass(frozen=True)
class Question:
    """What is asked of the store; answering it changes nothing.

    Attributes:
        kind: Which question.
        trial: Number of the trial that it is about.
        text: What is looked for.
    """

    kind: QuestionKind
    trial: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Steer:
    """What steers the study that is looked at, in order."""

    commands: tuple[SteeringCommand, ...]


@dataclass(frozen=True)
class Undo:
    """What was in force before a command comes back.

    Attributes:
        command: Its number in the log; None for the last one that can be undone.
    """

    command: int | None = None


@dataclass(frozen=True)
class Unclear:
    """A message that was not understood.

    Attributes:
        problem: Why, and what would be, in a line.
    """

    problem: str


Meaning = Run | Question | Steer | Undo | Unclear


def changes_something(meaning: Meaning) -> bool:
    """Return whether a person has to confirm it."""
    return isinstance(meaning, Run | Steer | Undo)


def written(meaning: Meaning) -> list[str]:
    """Return a meaning as the slash commands that stand for it; `parse_slash` reads each back."""
    match meaning:
        case Run():
            return [_run_slash(meaning)]
        case Question():
            word = f"/{meaning.kind}"
            about = meaning.text if meaning.trial is None else str(meaning.trial)
            return [f"{word} {about}".rstrip()]
        case Steer():
            return [steering_slash(command) for command in meaning.commands]
        case Undo():
            return ["/undo" if meaning.command is None else f"/undo {meaning.command}"]
        case Unclear():
            return []


def said(meaning: Meaning) -> list[str]:
    """Return in plain words what would be done, a line each; for a study see `StudyPlan.lines`."""
    match meaning:
        case Steer():
            return [describe(command) for command in meaning.commands]
        case Undo():
            which = "the last command that can be undone" if meaning.command is None else f"command {meaning.command}"
            return [f"bring back what was in force before {which}"]
        case Question():
            return [QUESTIONS[meaning.kind][1]]
        case _:
            return []


#: Options of `/run` by the option of the study that each is; the parts of the space are named by their slot.
RUN_OPTIONS: Mapping[str, str] = {
    "task": "task",
    "params": "params",
    "trials": "trials",
    "hours": "max_hours",
    "tokens": "tokens",
    "rungs": "rungs",
    "seed": "seed",
    "sampler": "sampler",
    "sandbox": "sandbox",
    "workers": "workers",
    "llm": "llm",
    "model": "llm_model",
    "url": "llm_url",
    "usd": "max_usd",
    "llm-tokens": "max_llm_tokens",
    "new-components": "new_components",
}
#: Slots by the option of the space that limits them.
SPACE_OPTIONS: Mapping[str, str] = {
    "mixer": "mixers",
    "channel": "channels",
    "norm": "norms",
    "position": "positions",
    "residual": "residuals",
    "modulator": "modulators",
}


def _run_slash(run: Run) -> str:
    words = ["/run"]
    options = dict(run.options)
    space = dict(options.pop("space", {}))
    names = {option: name for name, option in RUN_OPTIONS.items()}
    for option, value in options.items():
        words.append(f"{names[option]}={value}")
    slots = {option: slot for slot, option in SPACE_OPTIONS.items()}
    for option, value in space.items():
        if option == "depth":
            words.append(f"depth={value[0]}-{value[1]}")
        else:
            words.append(f"{slots[option]}={','.join(value) or 'none'}")
    words += [f"read={reference}" for reference in run.reads]
    words += [f"then={steering_slash(command)}" for command in run.then]
    return " ".join(shlex.quote(word) if set(word) & set(" '\"\\") else word for word in words)
