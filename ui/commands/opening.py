"""Opening a workspace for a command that needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from neuramosaic.errors import NotFoundError, UsageError

if TYPE_CHECKING:  # it takes half a second to import, and --help does not need it
    from neuramosaic.store.store import Store


@contextmanager
def opened(workspace: Path) -> Iterator[Store]:
    """Open the store of a workspace that exists.

    Raises:
        StoreError: If there is none, or it cannot be read.
    """
    from neuramosaic.store.store import Store

    with Store.open(workspace, create=False) as store:
        yield store


def study_of(store: Store, study: str | None) -> str:
    """Return the id of a study: the one named, or the newest.

    Raises:
        NotFoundError: If there is none.
        UsageError: If none is named and the workspace has none.
    """
    if study is not None:
        return store.study(study).id
    studies = store.studies()
    if not studies:
        raise UsageError(f"the workspace {store.path.parent} holds no study yet: start one with 'neuramosaic run'")
    return studies[-1].id


def trial_of(store: Store, trial: str) -> str:
    """Return the id of a trial.

    Raises:
        NotFoundError: If there is none; where a study was named, says what to do.
    """
    try:
        return store.trial(trial).id
    except NotFoundError:
        known = {study.id for study in store.studies()}
        if trial in known:
            raise UsageError(
                f"{trial!r} is a study: name one of its trials, such as '{trial}.0' (see 'neuramosaic trials {trial}')"
            ) from None
        raise
