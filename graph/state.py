"""What the graph remembers between steps: ids only. Everything else lives in the store."""

from __future__ import annotations

from typing import TypedDict


class StudyInput(TypedDict):
    """What starts a study."""

    study: str
    """Id of the study."""


class StudyState(StudyInput, total=False):
    """What the nodes tell one another. Fields are replaced, never added to."""

    proposed: list[str]
    """Ids of the trials that the designer added in its last step."""
    finished: list[str]
    """Ids of the trials that finished in the runner's last step."""
    exhausted: bool
    """The designer has nothing more to propose: budget spent, or time over. The runner takes it back when a person
    asked for something since."""
    waiting: bool
    """The designer has nothing to propose until what runs has finished, or a person has decided."""
    stopping: bool
    """A person asked the study to stop."""
    report: str
    """Path of the report, relative to the workspace."""
