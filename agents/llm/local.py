"""A model on this machine: llama.cpp (xllamacpp) serving a GGUF file on a loopback port, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agents.llm import local_server
from agents.llm.base import LOCAL_SLOTS, Answer, ProviderUnavailableError, Request
from agents.llm.keys import KEY_VARIABLE
from agents.llm.openai import OpenAIProvider
from agents.llm.prices import FREE
from agents.llm.weights import BUNDLED, bundled_model, check_bundled, own_model

CONTEXT_TOKENS = 8192
CACHE_MIB = 512
#: What to do where the extra is not installed.
REMEDY = "pip install 'neuramosaic[local-model]', or 'make local-llm' in a checkout (1.1 GB)"
_START_TIMEOUT_S = 180.0  # reading 1 GB from a slow disk
_STOP_TIMEOUT_S = 5.0


def check_local(gguf: Path | None = None) -> None:
    """Check that a model can be served here, without starting a server.

    Args:
        gguf: The model's file; by default the bundled one.

    Raises:
        ProviderUnavailableError: If the extra or the model is not installed.
        DataError: If the file is no model.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ProviderUnavailableError("local", "xllamacpp is not installed", REMEDY)
    if gguf is not None:
        own_model(gguf)
    else:
        check_bundled()


class LocalProvider:
    """Serves a model and asks it. Starts its server when it is made, and stops it when it is closed.

    Args:
        gguf: The model's file; by default the bundled one, joined from its packages on first use.
        slots: How many requests it answers at once; each has a context of its own.
        context_tokens: Tokens of each slot, prompt and answer together.
        timeout_s: Wall time of an attempt.
        on_progress: Told what takes long, as a line for people.

    Attributes:
        address: Where its server listens, such as `http://127.0.0.1:40001`; `/metrics` says what it has counted.

    Raises:
        ProviderUnavailableError: If the extra or the model is not installed, or the server does not start.
        DataError: If the file is no model.
    """

    name = "local"
    price = FREE

    def __init__(
        self,
        gguf: Path | None = None,
        *,
        slots: int = LOCAL_SLOTS,
        context_tokens: int = CONTEXT_TOKENS,
        timeout_s: float = 600.0,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        check_local(gguf)
        path = own_model(gguf) if gguf is not None else bundled_model(on_progress)
        self.model = path.stem if gguf is not None else BUNDLED
        self.slots = slots
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = self._start(path, context_tokens)
        self.address = self._await_address()
        self._server = OpenAIProvider(
            self.model, base_url=f"{self.address}/v1", timeout_s=timeout_s, slots=slots, key=lambda: None
        )

    def complete(self, request: Request, request_id: str) -> Answer:
        """Make one attempt: see `Provider.complete`."""
        return self._server.complete(request, request_id)

    def close(self) -> None:
        """Stop the server."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _start(self, path: Path, context_tokens: int) -> subprocess.Popen[str]:
        # -P: the folder of the program holds modules whose names are those of libraries.
        command = [sys.executable, "-P", local_server.__file__, str(path), f"--slots={self.slots}"]
        return subprocess.Popen(
            [*command, f"--context={context_tokens}", f"--cache-mib={CACHE_MIB}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # a Ctrl-C is for whoever asks, not for the server
            env={name: value for name, value in os.environ.items() if name != KEY_VARIABLE},
        )

    def _await_address(self) -> str:
        """Wait until the server listens; return where.

        Raises:
            ProviderUnavailableError: If it ends before, or takes too long.
        """
        stdout = self._process.stdout
        assert stdout is not None
        with ThreadPoolExecutor(max_workers=1) as waiting:
            line = waiting.submit(stdout.readline)
            try:
                address = line.result(timeout=_START_TIMEOUT_S).strip()
            except TimeoutError:
                self._process.kill()  # ends the read, too
                address = ""
        if address.startswith("http://127.0.0.1:"):
            return address
        self._log.seek(0)
        said = [text.strip() for text in self._log if "error" in text.lower() or "failed" in text.lower()]
        self.close()
        raise ProviderUnavailableError(
            self.name,
            f"the server of {self.model} does not start: {said[-1] if said else 'it says nothing'}",
            "name another file with --gguf, or free some memory",
        )
