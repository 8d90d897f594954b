"""ui: the app in a browser."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from neuramosaic.errors import InvalidValueError, UsageError
from ui.failures import FAILED
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

    It ends with Ctrl-C; studies go on. From another machine it asks for a token, which is printed here, or is that of
    NEURAMOSAIC_UI_TOKEN.

    Examples:
      neuramosaic ui
      neuramosaic ui --workspace ./night --port 8600 --no-browser
    """
    from ui.app import TOKEN, WORKSPACE

    loopback = _is_loopback(address)
    chosen = _free_port(address, port)
    token = os.environ.get(TOKEN, "") or ("" if loopback else secrets.token_urlsafe(16))
    url = f"http://{'localhost' if loopback else address}:{chosen}"
    say(f"the app is at {url}" + (f"/?token={token}" if token else "") + " (Ctrl-C ends it; studies go on)")
    command = [
        sys.executable, "-m", "streamlit", "run", str(Path(__file__).parents[1] / "app.py"),
        "--server.address", address, "--server.port", str(chosen), "--server.headless", str(not browser).lower(),
        "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none", "--client.toolbarMode", "viewer",
        "--client.showErrorDetails", "none", "--server.maxUploadSize", "64", "--logger.level", "warning",
    ]  # fmt: skip
    environment = {**os.environ, WORKSPACE: str(workspace.resolve()), TOKEN: token}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        return 0
    return FAILED if status else 0


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
