"""Generated and added code in git: one parentless commit per architecture, or per version of an added component.

The same code has the same commit everywhere. Commits are made with git's plumbing and fixed dates: no index, no branch,
no lock that a killed process could leave behind in the way of the next one. `git -C code show COMMIT:model.py` shows a
model, `git -C code show COMMIT:component.py` a component; `git -C code for-each-ref` lists them all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from neuramosaic.errors import NotFoundError, StoreError

_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "NeuraMosaic",
    "GIT_AUTHOR_EMAIL": "neuramosaic@localhost",
    "GIT_COMMITTER_NAME": "NeuraMosaic",
    "GIT_COMMITTER_EMAIL": "neuramosaic@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


class CodeRepository:
    """The git repository of a workspace's generated code. Safe to use from several processes at once."""

    def __init__(self, path: Path) -> None:
        """Open the repository at `path`, made on first use.

        Raises:
            StoreError: If git is missing or refuses.
        """
        self.path = path
        if not (path / ".git" / "HEAD").exists():
            path.mkdir(parents=True, exist_ok=True)
            self._git("init", "--quiet", "--initial-branch=main", ".")

    def commit(self, name: str, files: Mapping[str, str], message: str, *, namespace: str = "models") -> str:
        """Commit files under a ref below `refs/NAMESPACE/NAME` and return the commit's id.

        The id depends on the files and the message alone: committing the same again returns the same id.

        Args:
            name: Part of the ref, such as the hex digits of an architecture id.
            files: Text by plain file name.
            message: Commit message.
            namespace: "models" or "components".
        """
        entries = []
        for file, text in sorted(files.items()):
            blob = self._git("hash-object", "-w", "--stdin", stdin=text)
            entries.append(f"100644 blob {blob}\t{file}")
        tree = self._git("mktree", stdin="\n".join(entries) + "\n")
        commit = self._git("commit-tree", tree, "-m", message)
        # The commit is part of its own ref: another study may have other code for the same architecture.
        ref = f"refs/{namespace}/{name}/{commit[:12]}"
        # A process killed inside update-ref may have left this lock; the ref names content, so a second writer of it
        # would write the same: the lock protects nothing here.
        (self.path / ".git" / f"{ref}.lock").unlink(missing_ok=True)
        self._git("update-ref", ref, commit)
        return commit

    def read(self, commit: str, file: str) -> str:
        """Return a file of a commit.

        Raises:
            NotFoundError: If there is no such commit or file.
        """
        try:
            return self._git("show", f"{commit}:{file}", strip=False)
        except StoreError as error:
            raise NotFoundError("code", f"{commit[:12]}:{file}") from error

    def _git(self, *arguments: str, stdin: str | None = None, strip: bool = True) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.path), *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                env={**_without_git(os.environ), **_ENVIRONMENT},
            )
        except FileNotFoundError as error:
            raise StoreError("git is not installed: generated code is kept in git; install it and try again") from error
        if done.returncode != 0:
            detail = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise StoreError(f"git {arguments[0]} failed in {self.path}: {detail[0]}")
        return done.stdout.strip() if strip else done.stdout


def _without_git(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what git itself sets, as for a hook: it would lead to the caller's repository instead of this one."""
    return {name: value for name, value in environment.items() if not name.startswith("GIT_")}
