"""Tasks by name: `create_task("python-code")`, `create_task("text:notes.txt", sequence_length=128)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from neuramosaic.errors import InvalidValueError, UnknownNameError, UnknownOptionError, UsageError
from neuramosaic.tasks.base import Task
from neuramosaic.tasks.python_code import PythonCode
from neuramosaic.tasks.recall import Recall
from neuramosaic.tasks.text_file import TextFile

_FACTORIES: dict[str, Callable[..., Task]] = {}


def register_task(name: str, factory: Callable[..., Task]) -> None:
    """Make a task known by name.

    Args:
        name: Such as "recall"; or "text:FILE", where what a user writes after the colon becomes the factory's first
            argument.
        factory: A class or function whose keyword-only parameters are the task's settings, each with a default.

    Raises:
        UsageError: If the name, or its part before the colon, is taken.
    """
    stem = name.partition(":")[0]
    if any(stem == known.partition(":")[0] for known in _FACTORIES):
        raise UsageError(f"a task named {stem!r} is already registered")
    _FACTORIES[name] = factory


def task_names() -> tuple[str, ...]:
    """Return the names of the known tasks, sorted; "text:FILE" stands for any file."""
    return tuple(sorted(_FACTORIES))


def task_settings(name: str) -> dict[str, Any]:
    """Return the settings that a task takes, with their defaults.

    Raises:
        UnknownNameError: If there is no such task.
    """
    parameters = inspect.signature(_FACTORIES[_registered_name(name)]).parameters.values()
    return {item.name: item.default for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY}


def create_task(name: str, **settings: Any) -> Task:
    """Make a task.

    Args:
        name: A name of `task_names`, with the file's path in the place of FILE.
        settings: What differs from the defaults.

    Raises:
        UnknownNameError: If there is no such task.
        UnknownOptionError: If a setting is not one of the task's.
        InvalidValueError: If a setting is outside its domain, or the part after the colon is missing.
    """
    registered = _registered_name(name)
    valid = task_settings(name)
    for key in settings:
        if key not in valid:
            raise UnknownOptionError(f"task {name!r}", key, valid)
    if ":" not in registered:
        return _FACTORIES[registered](**settings)
    argument = name.partition(":")[2]
    if not argument or name == registered:
        raise InvalidValueError("task", name, f"{registered} with a path in the place of FILE")
    return _FACTORIES[registered](argument, **settings)


def _registered_name(name: str) -> str:
    if name in _FACTORIES and ":" not in name:
        return name
    stem = name.partition(":")[0]
    for known in _FACTORIES:
        if ":" in known and known.partition(":")[0] == stem:
            return known
    raise UnknownNameError("task", name, _FACTORIES)


register_task("python-code", PythonCode)
register_task("recall", Recall)
register_task("text:FILE", TextFile)
