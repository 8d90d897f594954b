"""The errors that NeuraMosaic raises on purpose. Those of language models stand in `agents/llm/base.py`.

Those of papers stand in `knowledge`: PaperError, EmbeddingError, EmbedderMismatchError, IndexDamagedError, LockedError.

::

    NeuraMosaicError
    ├── UsageError                    what the caller asked for cannot be (exit status 2 on the command line)
    │   ├── UnknownNameError          a task, component, sampler ... that does not exist; names the nearest one
    │   ├── UnknownOptionError        a misspelt key; names the nearest valid one
    │   ├── InvalidValueError         a value outside its domain; names the field
    │   └── InvalidArchitectureError  an architecture outside its space; names the field
    ├── BudgetError                   no model fits the parameter budget
    ├── DataError                     a data file that is missing, unreadable or too short
    ├── StoreError
    │   ├── NewerWorkspaceError       the workspace was written by a newer version
    │   ├── NotFoundError             no such study or trial
    │   └── TrialFinishedError        a finished trial was told again
    ├── SandboxError                  a sandbox could not do its work (a failing *job* is an outcome, not an error)
    │   └── SandboxUnavailableError   the backend cannot run here; says what to do about it
    └── CodegenError                  no model.py can be written for this architecture

A diverged or crashed trial is data (a FAILED trial with a reason); these errors are for everything else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NeuraMosaicError(Exception):
    """Root of all errors raised on purpose. Its text is one line that a person can act on."""


class UsageError(NeuraMosaicError, ValueError):
    """What was asked for cannot be done as asked."""


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name most like `name`, or None if none is close."""
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return matches[0] if matches else None


class UnknownNameError(UsageError):
    """A name that nothing is registered under.

    Attributes:
        kind: What was looked for, such as "task".
        name: What was given.
        valid: The names that exist.
    """

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        self.kind, self.name, self.valid = kind, name, sorted(valid)
        guess = nearest(name, self.valid)
        hint = f"did you mean {guess!r}? " if guess else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known: {', '.join(self.valid) or 'none'}")


class UnknownOptionError(UsageError):
    """A key that no option has.

    Attributes:
        where: The object the key was given to, such as "study configuration".
        option: The key.
        valid: The keys that exist.
    """

    def __init__(self, where: str, option: str, valid: Iterable[str]) -> None:
        self.where, self.option, self.valid = where, option, sorted(valid)
        guess = nearest(option, self.valid)
        hint = f"did you mean {guess!r}? " if guess else ""
        super().__init__(f"{where}: unknown option {option!r}: {hint}known: {', '.join(self.valid)}")


class InvalidValueError(UsageError):
    """A value outside its domain.

    Attributes:
        field: Dotted name of the field.
        value: What was given.
    """

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.field, self.value = field, value
        super().__init__(f"{field}: {value!r} is not valid: expected {expected}")


class InvalidArchitectureError(UsageError):
    """An architecture that its space does not contain.

    Attributes:
        field: Dotted name of the offending field, such as "blocks[1].mixer.heads".
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"invalid architecture: {field}: {problem}")


class BudgetError(NeuraMosaicError):
    """No width brings the model within the parameter budget.

    Attributes:
        budget: Parameters asked for.
        smallest: Parameters of the smallest model of this architecture, if known.
    """

    def __init__(self, message: str, *, budget: int, smallest: int | None = None) -> None:
        self.budget, self.smallest = budget, smallest
        super().__init__(message)


class DataError(NeuraMosaicError):
    """A data file that is missing, unreadable, empty or too short."""


class StoreError(NeuraMosaicError):
    """The workspace could not be read or written."""


class NewerWorkspaceError(StoreError):
    """The workspace was written by a newer version of NeuraMosaic.

    Attributes:
        found: Schema version of the workspace.
        known: Newest schema version that this code knows.
    """

    def __init__(self, path: str, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(
            f"{path} has schema version {found}, this NeuraMosaic knows up to {known}: "
            "upgrade NeuraMosaic, or name another --workspace"
        )


class NotFoundError(StoreError, KeyError):
    """No such study or trial in this workspace."""

    def __init__(self, kind: str, name: str, valid: Iterable[str] = ()) -> None:
        self.kind, self.name = kind, name
        known = list(valid)
        guess = nearest(name, known)
        hint = f": did you mean {guess!r}?" if guess else (f": known: {', '.join(known[:8])}" if known else "")
        self.message = f"no {kind} {name!r} in this workspace{hint}"
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class TrialFinishedError(StoreError):
    """A finished trial was told a second, different outcome. Finished trials never change."""


class SandboxError(NeuraMosaicError, RuntimeError):
    """A sandbox could not do its work. What a job does wrong is an `Outcome`, never this."""


class SandboxUnavailableError(SandboxError):
    """The backend cannot run on this machine.

    Attributes:
        backend: Its name.
        problem: Why it cannot.
        remedy: What a person can do about it.
    """

    def __init__(self, backend: str, problem: str, remedy: str) -> None:
        self.backend, self.problem, self.remedy = backend, problem, remedy
        super().__init__(f"sandbox {backend!r} is not available: {problem}. {remedy}")


class CodegenError(NeuraMosaicError):
    """No model.py can be written for this architecture."""
