"""From a slash command to what is meant: steering's commands, and those of a workspace."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from agents.conversation.meaning import QUESTIONS, RUN_OPTIONS, SPACE_OPTIONS, Meaning, Question, Run, Steer, Undo
from neuramosaic.components.spec import Slot
from neuramosaic.errors import InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.steering import SteeringCommand, parse_command
from neuramosaic.steering.commands import KINDS
from neuramosaic.steering.names import Names
from neuramosaic.steering.parsing import USAGE
from neuramosaic.study import StudyConfig
from neuramosaic.tasks.registry import create_task

RUN_USAGE = "/run task=TASK params=COUNT trials=N hours=H mixer=NAME,NAME llm=none"
#: What people type for a command of this module.
_ALIASES = {
    "start": "run",
    "leaderboard": "trials",
    "effects": "what-helps",
    "helps": "what-helps",
    "trial": "show",
    "open": "show",
    "steering": "log",
    "search": "papers",
    "?": "help",
}
#: All commands that a message may begin with.
COMMANDS: tuple[str, ...] = (*KINDS, "run", "undo", *QUESTIONS)
#: How all commands are written, for the help.
HOW: Mapping[str, str] = {
    "run": RUN_USAGE,
    **{kind: how for kind, (how, _) in QUESTIONS.items()},
    "undo": "/undo [NUMBER]",
    **USAGE,
}
_UNLIMITED = ("none", "off", "unlimited")
_NUMBERS = ("max_hours", "max_usd")
_COUNTS = ("trials", "rungs", "seed", "workers", "new_components")


def parse_slash(text: str, names: Names, new: Names | None = None) -> Meaning:
    """Read a slash command; the slash may be left out.

    Args:
        text: Such as "/veto moe", "/run task=recall params=300k" or "/why 12".
        names: What may be named: of the study that is looked at, or of the workspace.
        new: What may be named of a new study; the same by default.

    Raises:
        UnknownNameError, UnknownOptionError: If something is named that does not exist; names the nearest one.
        UsageError: If it cannot be read; says how it is written.
    """
    word, _, rest = " ".join(text.split()).removeprefix("/").partition(" ")
    kind = word.lower().replace("_", "-")
    kind = _ALIASES.get(kind, kind)
    if kind == "run":
        return parse_run(rest, new or names)
    if kind == "undo":
        return Undo(_number(kind, rest) if rest else None)
    if kind in QUESTIONS:
        return _question(kind, rest)
    try:
        return Steer((parse_command(text, names),))
    except UnknownNameError as error:
        if error.kind == "command":
            raise UnknownNameError("command", word, COMMANDS) from None
        raise


def _question(kind: Any, rest: str) -> Question:
    if kind == "show" or (kind == "why" and rest):
        return Question(kind, trial=_number(kind, rest))
    if kind == "papers":
        if not rest:
            raise UsageError(f"/papers lacks something: write {QUESTIONS[kind][0]}")
        return Question(kind, text=rest)
    if rest and kind != "help":
        raise UsageError(f"/{kind} takes nothing more: leave {rest!r} out")
    return Question(kind, text=rest)


def _number(kind: str, text: str) -> int:
    match = re.fullmatch(r"(?:trial )?(?:#|.*\.)?([0-9]{1,9})", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no number: write {HOW[kind]}" if text else f"write {HOW[kind]}")
    return int(match[1])


def parse_run(text: str, names: Names) -> Run:
    """Read what follows `/run`; nothing of it is started.

    Raises:
        UsageError: If an option, a task or a component does not exist or a value cannot be; names the nearest one.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise UsageError("a quotation mark is left open") from None
    options: dict[str, Any] = {}
    limits: dict[str, list[str]] = {}
    space: dict[str, Any] = {}
    reads: list[str] = []
    then: list[SteeringCommand] = []
    for word in words:
        key, equals, value = word.partition("=")
        key = key.lower().removeprefix("--").replace("_", "-")
        key = "hours" if key == "max-hours" else "usd" if key == "max-usd" else key
        if not equals or not value:
            raise UsageError(f"{word!r} is not OPTION=VALUE: write {RUN_USAGE}")
        if key == "read":
            reads.append(value)
        elif key == "then":
            then.append(parse_command(value, names))
        elif key == "depth":
            space["depth"] = _depth(value)
        elif key.removesuffix("s") in SPACE_OPTIONS or key in SPACE_OPTIONS:
            slot = key if key in SPACE_OPTIONS else key.removesuffix("s")
            limits.setdefault(slot, []).extend(name for name in value.split(",") if name)
        elif key in RUN_OPTIONS:
            option = RUN_OPTIONS[key]
            options[option] = _value(key, option, value)
        else:
            raise UnknownOptionError("run", key, [*RUN_OPTIONS, *SPACE_OPTIONS, "depth", "read", "then"])
    for slot, given in limits.items():
        space[SPACE_OPTIONS[slot]] = allowed_names(names, Slot(slot), given)
    if space:
        options["space"] = space
    run = Run(options, tuple(reads), tuple(then))
    check_run(run)
    return run


def check_run(run: Run) -> StudyConfig:
    """Return the configuration that a run stands for.

    Raises:
        UsageError: If a value cannot be, or there is no such task; names the nearest one.
    """
    config = StudyConfig.from_mapping(run.options, where="run")
    create_task(config.task, **config.task_settings)
    return config


def allowed_names(names: Names, slot: Slot, given: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a slot may have: those given, or all but those with a minus before them.

    Raises:
        UnknownNameError: If one does not exist; names the nearest one.
        UsageError: If nothing is left.
    """
    known = names.components[slot]
    for name in given:
        if name.removeprefix("-") not in known:
            raise UnknownNameError(str(slot), name.removeprefix("-"), known)
    wanted = [name for name in given if not name.startswith("-")]
    refused = {name[1:] for name in given if name.startswith("-")}
    left = tuple(name for name in (dict.fromkeys(wanted) if wanted else known) if name not in refused)
    if not left:
        raise UsageError(f"that would leave no {slot} to search: keep one of {', '.join(known)}")
    return left


def _depth(value: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,4})(?:\s*(?:-|to|,|\.\.)\s*(\d{1,4}))?", value)
    if match is None or int(match[1]) < 1 or int(match[2] or match[1]) < int(match[1]):
        raise InvalidValueError("depth", value, "two numbers of blocks, such as 2-6")
    return int(match[1]), int(match[2] or match[1])


def _value(key: str, option: str, value: str) -> Any:
    if value.lower() in _UNLIMITED and (option in _NUMBERS or option == "max_llm_tokens"):
        return None
    try:
        if option in _NUMBERS:
            return float(value.removeprefix("$").removesuffix("h"))
        if option in _COUNTS:
            return int(value)
    except ValueError:
        raise InvalidValueError(key, value, "a number") from None
    return value
