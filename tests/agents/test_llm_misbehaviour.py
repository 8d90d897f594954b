"""A server that misbehaves costs time at most: each case ends in a valid answer or the right error, in bounded time."""

from __future__ import annotations

import gzip
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from agents.llm.base import (
    MalformedError,
    ModelError,
    RateLimitedError,
    RefusedError,
    ServerFailureError,
    TimedOutError,
    TooLargeError,
    TruncatedError,
    UnreachableError,
)
from agents.llm.client import LONGEST_RETRY_AFTER_S, LanguageModel
from agents.llm.openai import OpenAIProvider
from neuramosaic.errors import InvalidValueError, UsageError
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store

BOUND_S = 10.0  # wall time of four attempts of 1 s, on a busy machine


class Sum(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sum: int


def ask(model: LanguageModel, **over: Any) -> Sum:
    return model.ask("connection_test", {"left": 2, "right": 3}, Sum, **{"purpose": "test", "max_tokens": 50, **over})


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < BOUND_S


def closes(handler: Any) -> None:
    """Close the connection with no answer at all."""


def cuts(handler: Any) -> None:
    """Promise a body, and close in the middle of it."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')


def hangs(handler: Any) -> None:
    """Say nothing."""
    released(handler).wait(30)


def drips_headers(handler: Any) -> None:
    """Send a byte now and then, for ever: no read ever times out."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not released(handler).wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def drips_body(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not released(handler).wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


RELEASES: dict[int, Any] = {}


def released(handler: Any) -> Any:
    return RELEASES[handler.server.server_port]


@pytest.fixture(autouse=True)
def releases(model_server: Any) -> Iterator[None]:
    port = int(model_server.url.split(":")[2].split("/")[0])
    RELEASES[port] = model_server.released
    yield
    del RELEASES[port]


def outcomes(ledger: Ledger) -> list[str]:
    return [call.outcome for call in ledger.calls("recall-1")]


def test_a_rate_limit_is_waited_out_as_long_as_the_server_says(
    model: LanguageModel, model_server: Any, ledger: Ledger, waits: list[float]
) -> None:
    limited = model_server.sends('{"error": {"message": "slow down"}}', 429, retry_after="7")
    model_server.behaviours = [limited, model_server.says('{"sum": 5}')]
    assert ask(model).sum == 5
    assert outcomes(ledger) == ["rate_limited", "ok"]
    assert waits == [7.0]


def test_a_rate_limit_for_a_day_is_not_waited_out(model: LanguageModel, model_server: Any, waits: list[float]) -> None:
    model_server.behaviours = [model_server.sends("{}", 429, retry_after="86400")]
    with pytest.raises(RateLimitedError, match="429") as caught:
        ask(model)
    assert caught.value.retry_after_s == 86400
    assert waits == [LONGEST_RETRY_AFTER_S] * 3


def test_a_failing_server_is_asked_again_later_and_later(
    model: LanguageModel, model_server: Any, ledger: Ledger, waits: list[float]
) -> None:
    broken = model_server.sends("<html>oops</html>", 500, content_type="text/html")
    model_server.behaviours = [broken, broken, broken, model_server.says('{"sum": 5}')]
    assert ask(model).sum == 5
    assert outcomes(ledger) == ["server_error"] * 3 + ["ok"]
    assert waits == sorted(waits)
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits))


def test_a_server_that_only_fails_is_given_up_on(model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.sends('{"error": "down"}', 503)]
    with pytest.raises(ServerFailureError, match="the server answers 503: down") as caught:
        ask(model)
    assert caught.value.status == 503
    assert len(model_server.requests) == 4


@pytest.mark.parametrize("behaviour", [hangs, drips_headers, drips_body])
def test_a_time_out_ends_a_call_whatever_the_server_does(
    behaviour: Callable[..., None], make: Callable[..., LanguageModel], model_server: Any, ledger: Ledger
) -> None:
    model_server.behaviours = [behaviour]
    provider = OpenAIProvider("m", base_url=model_server.url, timeout_s=0.5)
    begin = time.monotonic()
    with pytest.raises(TimedOutError, match=r"within 0\.5 s"):
        ask(make(provider, attempts=2))
    assert time.monotonic() - begin < 5
    assert outcomes(ledger) == ["timeout", "timeout"]


@pytest.mark.parametrize("behaviour", [closes, cuts])
def test_a_connection_that_breaks_off_is_made_again(
    behaviour: Callable[..., None], model: LanguageModel, model_server: Any, ledger: Ledger
) -> None:
    model_server.behaviours = [behaviour, model_server.says('{"sum": 5}')]
    assert ask(model).sum == 5
    assert outcomes(ledger) == ["truncated", "ok"]


def test_a_connection_that_always_breaks_off_is_an_error(model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [cuts]
    with pytest.raises(TruncatedError, match="broke off"):
        ask(model)


def test_nobody_there_is_an_error(model: LanguageModel, model_server: Any) -> None:
    model_server.stop()
    with pytest.raises(UnreachableError, match="cannot reach http://127"):
        ask(model)


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ("The sum is five.", "Invalid JSON"),
        ('{"sum": 5', "Invalid JSON"),
        ('{"sum": "five"}', "sum: Input should be a valid integer"),
        ('{"total": 5}', "sum: Field required; total: Extra inputs"),
    ],
)
def test_a_wrong_answer_is_shown_to_the_model_with_what_is_wrong(
    wrong: str, shown: str, model: LanguageModel, model_server: Any, ledger: Ledger, waits: list[float]
) -> None:
    model_server.behaviours = [model_server.says(wrong), model_server.says('{"sum": 5}')]
    assert ask(model).sum == 5
    first, second = model_server.requests
    assert second["messages"][:2] == first["messages"]
    assert second["messages"][2] == {"role": "assistant", "content": wrong}
    assert shown in second["messages"][3]["content"]
    assert waits == []
    recorded = ledger.calls("recall-1")
    assert [(call.outcome, call.answer, call.attempt) for call in recorded] == [
        ("malformed", wrong, 1),
        ("ok", '{"sum": 5}', 2),
    ]
    assert recorded[0].request == recorded[1].request
    assert [len(call.messages) for call in recorded] == [2, 4]


def test_a_fence_around_the_answer_is_no_fault(model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.says('```json\n{"sum": 5}\n```')]
    assert ask(model).sum == 5


def test_a_model_that_never_answers_rightly_is_given_up_on(model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.says("no")]
    with pytest.raises(MalformedError, match="Invalid JSON"):
        ask(model)
    assert len(model_server.requests) == 4


def test_an_answer_that_reached_its_limit_is_asked_for_again(
    model: LanguageModel, model_server: Any, ledger: Ledger
) -> None:
    model_server.behaviours = [model_server.says('{"sum": ', "length"), model_server.says('{"sum": 5}')]
    assert ask(model).sum == 5
    cut = ledger.calls("recall-1")[0]
    assert (cut.outcome, cut.answer, cut.tokens_out) == ("truncated", '{"sum": ', 7)
    assert "max_tokens" in model_server.requests[1]["messages"][3]["content"]


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", '{"choices": []}', '{"choices": [{"message": null}]}'])
def test_a_response_that_is_no_completion_is_malformed(text: str, model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.sends(text)]
    with pytest.raises(MalformedError):
        ask(model)


def test_an_empty_answer_is_malformed(model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.says(None)]
    with pytest.raises(MalformedError, match="empty"):
        ask(model)


def test_ten_megabytes_are_not_read(model: LanguageModel, model_server: Any, ledger: Ledger) -> None:
    model_server.behaviours = [model_server.says("x" * 10_000_000), model_server.says('{"sum": 5}')]
    assert ask(model).sum == 5
    assert outcomes(ledger) == ["too_large", "ok"]
    assert all(len(call.answer or "") < 100 for call in ledger.calls("recall-1"))


def test_what_unpacks_to_ten_megabytes_is_not_read_either(model: LanguageModel, model_server: Any) -> None:
    packed = gzip.compress(b" " * 10_000_000)
    model_server.behaviours = [model_server.sends(packed, content_encoding="gzip")]
    with pytest.raises(TooLargeError, match=r"more than 1,048,576 bytes"):
        ask(model)


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_a_request_that_is_refused_is_not_repeated(status: int, model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.sends('{"error": {"message": "no such model"}}', status)]
    with pytest.raises(RefusedError, match=f"the server answers {status}: no such model"):
        ask(model)
    assert len(model_server.requests) == 1


def test_a_model_that_refuses_is_not_asked_again(model: LanguageModel, model_server: Any) -> None:
    model_server.behaviours = [model_server.says(None, refusal="I would rather not")]
    with pytest.raises(RefusedError, match="I would rather not"):
        ask(model)
    assert len(model_server.requests) == 1


def test_the_key_appears_nowhere(
    key: str, model: LanguageModel, model_server: Any, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"you sent Bearer {key}"
    model_server.behaviours = [
        model_server.sends(f'{{"error": {{"message": "{echo}"}}}}', 500),
        model_server.says(echo),
        model_server.sends(echo),
        model_server.sends(f'{{"error": "{echo}"}}', 400),
    ]
    with pytest.raises(ModelError) as caught:
        model.ask("connection_test", {"left": key, "right": 3}, Sum, purpose="test")
    assert isinstance(caught.value, RefusedError)
    assert all(request["headers"]["authorization"] == f"Bearer {key}" for request in model_server.requests)
    assert len(model_server.requests) == 4
    assert key not in "".join(str(request["messages"]) for request in model_server.requests)
    assert key not in "".join(traceback.format_exception(caught.value))
    assert key not in caplog.text
    assert key not in repr(vars(model.provider))
    store.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if key.encode() in path.read_bytes()]


def test_the_key_does_not_go_over_the_network_in_the_clear(key: str) -> None:
    with pytest.raises(InvalidValueError, match="https"):
        OpenAIProvider("m", base_url="http://models.example/v1")
    OpenAIProvider("m", base_url="https://models.example/v1")


def test_without_a_key_openai_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        OpenAIProvider()


@pytest.mark.parametrize("address", ["models", "ftp://models/v1", "https://user:secret@models/v1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidValueError, match="base_url"):
        OpenAIProvider("m", base_url=address)
