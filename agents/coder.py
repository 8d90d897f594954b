"""The coder: turns an architecture into a committed, standalone model.py."""

from __future__ import annotations

import json

from neuramosaic.codegen.generate import generate
from neuramosaic.components.registry import Catalogue
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.code import CodeRepository


class Coder:
    """Writes models from the sources of the catalogue.

    Args:
        catalogue: The components that exist, with their sources.
        code: The git repository that keeps what is written.
        vocab_size: Number of token values of the task.
        sequence_length: T of the task, in tokens.
    """

    def __init__(self, catalogue: Catalogue, code: CodeRepository, *, vocab_size: int, sequence_length: int) -> None:
        self._catalogue = catalogue
        self._code = code
        self._vocab_size = vocab_size
        self._sequence_length = sequence_length

    def write(self, architecture: Architecture) -> str:
        """Write and commit the architecture's model.py; return the commit. The same architecture has the same commit.

        Raises:
            CodegenError: If no model can be written for it.
            StoreError: If it cannot be committed.
        """
        source = generate(
            architecture, self._catalogue, vocab_size=self._vocab_size, sequence_length=self._sequence_length
        )
        files = {"model.py": source, "architecture.json": json.dumps(architecture.to_json(), indent=2) + "\n"}
        return self._code.commit(architecture.id.removeprefix("sha256:"), files, architecture.label())
