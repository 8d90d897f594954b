"""The app as a whole without a browser: its script, its gate, and what every view shares."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from neuramosaic.store.store import Store
from ui.app import VIEWS
from ui.serving import TOKEN, WORKSPACE, Gate, settings
from ui.views.page import plain

APP = str(Path(__file__).parents[3] / "ui" / "app.py")
SECRET = "a-token-of-the-tests"


def request(
    gate: Gate, path: str = "/", *, method: str = "GET", query: str = "", body: bytes = b"", **headers: str
) -> Any:
    """Send one request through a gate; return status, headers and body."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost:1"), *((k.encode(), v.encode()) for k, v in headers.items())],
    }
    if "host" in headers:
        scope["headers"] = scope["headers"][1:]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1].get("body", b"").decode()


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """What is behind the gate."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a study"})


@pytest.fixture
def gate() -> Gate:
    return Gate(behind, SECRET, 1)


def test_the_token_opens_leaves_the_address_and_is_a_cookie(gate: Gate) -> None:
    status, headers, body = request(gate, "/live", query=f"study=text-1&token={SECRET}")
    assert (status, headers[b"location"], body) == (303, b"/live?study=text-1", "")
    cookie = headers[b"set-cookie"].decode()
    assert SECRET not in cookie
    assert "HttpOnly" in cookie
    assert request(gate, "/live", cookie=cookie.partition(";")[0])[2] == "a study"


@pytest.mark.parametrize("path", ["/", "/_stcore/stream", "/media/0123.csv", "/_stcore/upload_file/x", "/static/x.js"])
def test_nothing_is_seen_without_the_token(gate: Gate, path: str) -> None:
    status, _, body = request(gate, path)
    assert status == 401
    assert "a study" not in body
    assert request(gate, path, cookie="neuramosaic-1=wrong")[0] == 401


def test_a_wrong_token_says_so_and_is_not_repeated(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.serving.WRONG_TOKEN_S", 0.0)
    for status, _, body in (
        request(gate, query="token=not-it"),
        request(gate, method="POST", body=b"token=not-it"),
        request(gate, method="POST", body=b"t" * 100_000),
    ):
        assert status == 401
        assert "not the token" in body
        assert "not-it" not in body
    assert request(gate, method="POST", body=f"token={SECRET}".encode())[0] == 303


def test_no_redirect_leaves_the_app(gate: Gate) -> None:
    assert request(gate, "//evil.example/x", query=f"token={SECRET}")[1][b"location"] == b"/evil.example/x"
    assert b"\r" not in request(gate, "/a\r\nset-cookie: x", query=f"token={SECRET}")[1][b"location"]


def test_without_a_token_only_the_names_of_this_machine_are_served() -> None:
    gate = Gate(behind, "", 1, ("localhost", "127.0.0.1"))
    assert request(gate)[2] == "a study"
    assert request(gate, host="127.0.0.1:8501")[0] == 200
    assert request(gate, host="evil.example:8501")[0] == 403


@pytest.mark.parametrize(
    ("origin", "cookie", "first"),
    [
        ("http://localhost:1", True, "websocket.accept"),
        ("http://evil.example", True, "websocket.close"),
        ("http://localhost:1", False, "websocket.close"),
    ],
)
def test_a_websocket_needs_the_cookie_and_the_apps_own_page(gate: Gate, origin: str, cookie: bool, first: str) -> None:
    given = request(gate, query=f"token={SECRET}")[1][b"set-cookie"].partition(b";")[0] if cookie else b""
    scope = {
        "type": "websocket",
        "path": "/_stcore/stream",
        "query_string": b"",
        "headers": [(b"host", b"localhost:1"), (b"origin", origin.encode()), (b"cookie", given)],
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(gate(scope, None, send))
    assert [message["type"] for message in sent] == [first]


@pytest.mark.parametrize("left", [True, False])
def test_a_browser_that_leaves_is_no_error(left: bool) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError("WebSocket is not connected")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.disconnect" if left else "websocket.receive"}

    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost:1")]}
    if left:
        asyncio.run(Gate(broken, "", 1)(scope, receive, None))
    else:
        with pytest.raises(RuntimeError, match="not connected"):
            asyncio.run(Gate(broken, "", 1)(scope, receive, None))


def test_nothing_is_reported_to_anyone_and_settings_are_known_to_streamlit() -> None:
    from streamlit import config

    chosen = settings("127.0.0.1", 8501)
    assert chosen["browser.gatherUsageStats"] is False
    assert chosen["client.showErrorDetails"] == "none"
    assert set(chosen) <= set(config.get_config_options())


@pytest.fixture
def app(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(WORKSPACE, str(workspace))
    monkeypatch.delenv(TOKEN, raising=False)
    return AppTest.from_file(APP, default_timeout=120)


def test_the_app_opens_on_the_newest_study_and_keeps_the_choice(app: AppTest, workspace: Path) -> None:
    with Store.open(workspace) as store:
        first = store.study("text-1")
        store.create_study("text", first.config, first.task, first.space_version)
    app.run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Overview"]
    assert app.sidebar.selectbox[0].value == "text-2"
    app.sidebar.selectbox[0].set_value("text-1").run()
    assert app.query_params["study"] in ("text-1", ["text-1"])
    assert "text-1" in [heading.value for heading in app.subheader]


def test_the_address_names_the_study(app: AppTest, workspace: Path) -> None:
    with Store.open(workspace) as store:
        first = store.study("text-1")
        store.create_study("text", first.config, first.task, first.space_version)
    app.query_params["study"] = "text-1"
    app.run()
    assert app.sidebar.selectbox[0].value == "text-1"


def test_every_view_has_a_module_and_is_named_once() -> None:
    names = [name for group in VIEWS.values() for name, _, _ in group]
    assert len(set(names)) == len(names)
    folder = Path(APP).parent / "views"
    assert all((folder / f"{name}.py").exists() for name in names)


def test_a_damaged_workspace_is_one_line(app: AppTest, workspace: Path) -> None:
    for path in workspace.glob("neuramosaic.db*"):
        path.unlink()
    (workspace / "neuramosaic.db").write_bytes(b"no database at all" * 100)
    app.run()
    assert not app.exception
    assert len(app.error) == 1
    assert "Traceback" not in app.error[0].value


def test_a_bug_in_a_view_is_one_line() -> None:
    def script() -> None:
        from ui.views.page import guarded

        def broken() -> None:
            raise ZeroDivisionError("of <b>nothing</b>")

        guarded(broken)()

    app = AppTest.from_function(script, default_timeout=60).run()
    assert not app.exception
    assert "ZeroDivisionError" in app.error[0].value
    assert "<b>" not in app.error[0].value


def test_plain_text_has_no_markup_left() -> None:
    text = plain("**b** `c` <i> [l](x) $m$ :red[r] ~s~\nnext")
    assert "  \n" in text
    for mark in "*`<>[]()$:~":
        assert text.count(mark) == text.count("\\" + mark)
