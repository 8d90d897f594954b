"""ui: the app in a browser."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
from typing import Annotated

import typer

from neuramosaic.errors import InvalidValueError, UsageError
from ui.failures import DONE
from ui.options import DEFAULT_WORKSPACE, Workspace
from ui.output import say

app = typer.Typer(rich_markup_mode="rich")
PANEL = "Studies"
#: The port that is tried first, and how many after it.
PORT, PORTS = 8501, 20


@app.command(name="ui", rich_help_panel=PANEL)
def open_app(
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=1, max=65535, help="8501, or the next that is free.")
    ] = None,
    address: Annotated[
        str, typer.Option("--address", metavar="IP", help="Where it can be reached from; any but loopback has a token.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Open the app: start a study by talking to it, watch it, understand it, and change its course.

    It ends with Ctrl-C; studies go on. At another address than loopback it asks for a token, which is printed here, or
    is that of NEURAMOSAIC_UI_TOKEN.

    Examples:
      neuramosaic ui
      neuramosaic ui --workspace ./night --port 8600 --no-browser
    """
    from ui.serving import TOKEN, serve

    loopback = _is_loopback(address)
    chosen = _free_port(address, port)
    given = os.environ.pop(TOKEN, "")  # no study that is started here needs to know it
    token = given or ("" if loopback else secrets.token_urlsafe(16))
    host = f"[{address}]" if ":" in address else address
    url = f"http://{'localhost' if loopback else host}:{chosen}"
    shown = f"{url}/?token={token}" if token and not given else url
    say(f"the app is at {shown} (Ctrl-C ends it; studies go on)")
    with contextlib.suppress(KeyboardInterrupt):
        serve(workspace, address, chosen, token, browser=browser, loopback=loopback)
    return DONE


def _is_loopback(address: str) -> bool:
    """Return whether an address can be reached from this machine alone.

    Raises:
        InvalidValueError: If it is none.
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise InvalidValueError("--address", address, "an IP address, such as 127.0.0.1 or 0.0.0.0") from None


def _free_port(address: str, wanted: int | None) -> int:
    """Return the port that was asked for, or the first free one.

    Raises:
        UsageError: If it is taken, or none is free.
    """
    candidates = [wanted] if wanted else range(PORT, PORT + PORTS)
    for port in candidates:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise UsageError(f"port {wanted} is taken: name another with --port" if wanted else "no free port: name one")
