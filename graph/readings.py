"""What was found in the papers of a workspace, kept beside their files: a paper that was read is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from agents.paper_reader.findings import PaperFindings
from knowledge.papers import PaperError
from neuramosaic.errors import NeuraMosaicError

#: Folder of a workspace that holds papers.
FOLDER = "papers"
_DIGITS = 24


class Readings:
    """The files of papers in a workspace, and what was found in each.

    Args:
        workspace: Its directory.
    """

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / FOLDER

    def content(self, file: Path, ref: str) -> str:
        """Return the sha256 of a file.

        Raises:
            PaperError: If it cannot be read.
        """
        try:
            with file.open("rb") as source:
                return hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as error:
            raise PaperError(ref, f"the file cannot be read: {error.strerror or error}") from error

    def keep_file(self, file: Path, sha256: str, ref: str, *, own: bool = False) -> Path:
        """Keep a PDF in the workspace under a name made from its content; return where it is.

        Args:
            file: The PDF.
            sha256: Of its content.
            ref: What names it, for messages.
            own: Whether the file is the workspace's own, so that the two may share their content.

        Raises:
            PaperError: If it cannot be read.
        """
        try:
            kept = self.file(sha256)
            if not kept.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                part = kept.with_suffix(f".{os.getpid()}.part")
                _copy(file, part, own)
                part.replace(kept)
        except OSError as error:
            raise PaperError(ref, f"the file cannot be copied: {error.strerror or error}") from error
        return kept

    def file(self, sha256: str) -> Path:
        """Return where the PDF of a content lies, or would lie."""
        return self.folder / f"{sha256[:_DIGITS]}.pdf"

    def find(self, sha256: str) -> PaperFindings | None:
        """Return what was found in a paper, or None if it was not read, or the record is damaged."""
        try:
            data: Any = json.loads(self._record(sha256).read_text(encoding="utf-8"))
            return PaperFindings.from_json(data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NeuraMosaicError):
            return None  # it is read again, and what was answered is in the ledger

    def keep(self, sha256: str, found: PaperFindings) -> None:
        """Keep what was found in a paper."""
        self.folder.mkdir(parents=True, exist_ok=True)
        record = self._record(sha256)
        part = record.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(record)

    def _record(self, sha256: str) -> Path:
        return self.folder / f"{sha256[:_DIGITS]}.json"


def _copy(file: Path, part: Path, own: bool) -> None:
    part.unlink(missing_ok=True)
    if own:
        try:
            os.link(file, part)
        except OSError:  # a file system without links
            pass
        else:
            return
    shutil.copyfile(file, part)
