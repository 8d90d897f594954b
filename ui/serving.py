"""The server of the app: Streamlit behind a gate, in this process until Ctrl-C.

Nothing passes the gate without the token, where there is one: no page, no upload, no download and no WebSocket. A token
that came with the address or the form becomes a cookie that scripts cannot read, and leaves the address.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import sys
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

WORKSPACE, TOKEN = "NEURAMOSAIC_WORKSPACE", "NEURAMOSAIC_UI_TOKEN"
#: Seconds that whoever gives a wrong token waits.
WRONG_TOKEN_S = 0.5
#: Bytes of a form, at most.
FORM_BYTES = 4096
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
#: Colours of the two themes; the browser's setting decides between them.
THEME = {
    "light.primaryColor": "#0072B2",
    "dark.primaryColor": "#56B4E9",
}

Scope = dict[str, Any]


class Gate:
    """Lets through only who may see the app.

    Args:
        app: What is behind the gate.
        token: Has to be given once in each browser; empty for nobody is asked.
        port: The server's, which the cookie is named after: browsers share cookies among the ports of a host.
        hosts: Names under which the app may be reached, or None for any. A page elsewhere whose name is made to point
            to this machine does not get in.
    """

    def __init__(self, app: Any, token: str, port: int, hosts: Collection[str] | None = None) -> None:
        self._app, self._token, self._hosts = app, token, hosts
        self._cookie = f"neuramosaic-{port}"
        self._pass = hmac.new(token.encode(), b"neuramosaic cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._expected(scope, headers):
            await self._refuse(scope, send, 403, "This app is not reached under this name.")
        elif not self._token or self._knows(headers):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._ask(scope, receive, send)
        else:
            await self._refuse(scope, send, 403, "")

    def _expected(self, scope: Scope, headers: dict[str, str]) -> bool:
        host = headers.get("host", "")
        if self._hosts is not None and host.rpartition(":")[0].lower() not in self._hosts and host not in self._hosts:
            return False
        origin = headers.get("origin")
        return scope["type"] != "websocket" or origin is None or origin.partition("://")[2] == host

    def _knows(self, headers: dict[str, str]) -> bool:
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        given = next((value for name, _, value in pairs if name == self._cookie), "")
        return hmac.compare_digest(given.encode(), self._pass.encode())

    async def _ask(self, scope: Scope, receive: Any, send: Any) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if scope["method"] == "POST":
            given = dict(parse_qsl(await _body(receive))).get("token", "")
        if given is None:
            await self._refuse(scope, send, 401, "This app asks for the token that 'neuramosaic ui' printed.")
        elif not hmac.compare_digest(given.encode(), self._token.encode()):
            await asyncio.sleep(WRONG_TOKEN_S)
            await self._refuse(scope, send, 401, "This is not the token that 'neuramosaic ui' was started with.")
        else:
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # One slash: a path of two would be another host.
            target = "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
            cookie = f"{self._cookie}={self._pass}; HttpOnly; SameSite=Lax; Path=/"
            headers = [(b"location", _header(target)), (b"set-cookie", cookie.encode()), *_UNKEPT]
            await send({"type": "http.response.start", "status": 303, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

    async def _refuse(self, scope: Scope, send: Any, status: int, message: str) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        form = _FORM if status == 401 else ""
        body = _PAGE.format(message=escape(message), form=form).encode()
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(body)), *_UNKEPT]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Any) -> str:
    body = b""
    while len(body) <= FORM_BYTES:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body.decode("utf-8", errors="replace")
    return ""


def _header(text: str) -> bytes:
    return quote(text, safe="/?&=%+:,;@").encode("ascii")


_UNKEPT = [(b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
_FORM = """<form method="post"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" autofocus required><button>Open</button></form>"""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>NeuraMosaic</title>
<meta name="viewport" content="width=device-width"><style>
:root {{ color-scheme: light dark; font: 16px system-ui, sans-serif }}
body {{ max-width: 32rem; margin: 15vh auto; padding: 0 1rem }}
input, button {{ font: inherit; padding: .4rem .7rem; margin: .6rem .4rem .6rem 0 }}
</style></head><body><h1>NeuraMosaic</h1><p>{message}</p>{form}</body></html>"""


def settings(address: str, port: int) -> dict[str, Any]:
    """Return the configuration of Streamlit: quiet, no telemetry, errors without their traceback."""
    return {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 64,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "logger.level": "error",
        "logger.hideWelcomeMessage": True,
        **{f"theme.{name}": value for name, value in THEME.items()},
    }


def serve(workspace: Path, address: str, port: int, token: str, *, browser: bool, loopback: bool) -> None:
    """Serve the app until the process is interrupted.

    Args:
        workspace: Directory of the workspace.
        address: IP address to listen at.
        port: A free port.
        token: What has to be given; empty for nobody is asked.
        browser: Whether the app is opened in the browser, where there is one.
        loopback: Whether only this machine can reach the address.
    """
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    os.environ[WORKSPACE] = str(workspace.resolve())
    hosts = (*LOOPBACK_NAMES, address) if loopback else None
    app = App(Path(__file__).with_name("app.py"), middleware=[Middleware(Gate, token=token, port=port, hosts=hosts)])
    if browser and _has_browser():
        shown = "127.0.0.1" if address in ("0.0.0.0", "::") else address
        url = f"http://{'localhost' if loopback else shown}:{port}"
        threading.Thread(target=_open, args=(url,), daemon=True).start()
    app.run(config=settings(address, port))


def _has_browser() -> bool:
    """Whether a browser can be shown: none is opened inside a terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _open(url: str) -> None:
    """Open the app once it answers; the token is not part of the address, which other users could see."""
    for _ in range(100):
        time.sleep(0.2)
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                break
        except urllib.error.HTTPError:  # it asks for the token
            break
        except OSError:
            continue
    webbrowser.open(url)
