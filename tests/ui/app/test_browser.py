"""The app in a real browser: `neuramosaic ui` in a process of its own, Chromium, and a workspace with a study."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ui.app import VIEWS
from ui.views.page import WORD_JOINER

pytestmark = pytest.mark.browser

SECRET = "a-token-of-the-tests"
LONG_MS = 120_000
Serve = Callable[..., str]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def serving(
    workspace: Path, folder: Path, *options: str, token: str = ""
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `neuramosaic ui` in another folder; yield its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "ui.cli",
        "ui",
        "--no-browser",
        "--port",
        str(port),
        "-w",
        str(workspace),
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "NEURAMOSAIC_UI_TOKEN": token}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None or answer(f"{url}/_stcore/health") is not None:
                break
            time.sleep(0.1)
        yield url, process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def answer(url: str) -> int | None:
    """Return the HTTP status of an address, or None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


@pytest.fixture
def serve(workspace: Path, tmp_path: Path) -> Iterator[Serve]:
    """Serve the workspace of the tests; return the address."""
    with ExitStack() as opened:

        def start(*options: str, token: str = "") -> str:
            return opened.enter_context(serving(workspace, tmp_path, *options, token=token))[0]

        yield start


def drawn(page: Any) -> None:
    """Wait until a page is drawn."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=LONG_MS)
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')", timeout=LONG_MS)


@pytest.mark.slow
def test_every_view_opens_from_the_navigation_without_an_error(serve: Serve, chromium: Any) -> None:
    page = chromium.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if "127.0.0.1" not in request.url else None)
    page.goto(serve())
    page.wait_for_selector("h1", timeout=LONG_MS)
    for name, title, _ in (view for group in VIEWS.values() for view in group):
        page.get_by_test_id("stSidebarNavLink").filter(has_text=re.compile(f"{title}$")).click()
        page.wait_for_url(re.compile(f"/{'' if name == 'overview' else name}\\?study=text-1"), timeout=LONG_MS)
        page.wait_for_timeout(300)
        drawn(page)
        assert page.get_by_test_id("stException").count() == 0, name
        assert page.locator("[data-testid=stAlertContentError]").count() == 0, name
        assert page.evaluate("document.body.scrollWidth <= window.innerWidth"), name
    assert not wrong
    assert not [url for url in outside if url.startswith(("http", "ws"))]
    page.close()


@pytest.mark.slow
def test_texts_are_shown_as_they_are(serve: Serve, chromium: Any, workspace: Path) -> None:
    from neuramosaic.store.store import Store

    hostile = "<img src=x onerror=document.title='pwned'> **b** :red[r] [l](http://evil.example) :smile: $x$ <b>i</b>"
    with Store.open(workspace) as store:
        store.add_event("text-1", "designer", "proposed", hostile, trial="text-1.1")
        store.set_study_state("text-1", store.study("text-1").state, message=hostile)
    page = chromium.new_page()
    url = serve()
    for view in ("live", ""):
        page.goto(f"{url}/{view}")
        page.wait_for_selector("h1", timeout=LONG_MS)
        drawn(page)
        warning = page.get_by_test_id("stAlertContentWarning").first
        assert hostile in re.sub(r"\s+", " ", warning.inner_text().replace(WORD_JOINER, ""))
        assert page.locator("[data-testid=stMain] img[src=x], [data-testid=stMain] a[href*=evil]").count() == 0
        assert page.title() != "pwned"
    page.close()


def test_the_token_is_asked_for_and_opens_the_app(serve: Serve, chromium: Any) -> None:
    url = serve("--address", "0.0.0.0", token=SECRET)
    assert [answer(f"{url}{path}") for path in ("/", "/_stcore/health", "/static/js/index.js")] == [401] * 3
    page = chromium.new_page()
    page.goto(url)
    assert page.locator("text=text-1").count() == 0
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button").click()
    page.wait_for_selector("text=This is not the token")
    page.get_by_label("Token").fill(SECRET)
    page.get_by_role("button").click()
    page.wait_for_selector("h1:has-text('Overview')", timeout=LONG_MS)
    assert SECRET not in page.url
    page.reload()
    page.wait_for_selector("h1:has-text('Overview')", timeout=LONG_MS)
    page.close()


def test_a_link_with_the_token_opens_the_app_and_loses_it(serve: Serve, chromium: Any) -> None:
    page = chromium.new_context().new_page()
    page.goto(f"{serve('--address', '0.0.0.0', token=SECRET)}/?token={SECRET}")
    page.wait_for_selector("h1:has-text('Overview')", timeout=LONG_MS)
    assert "token" not in page.url
    page.close()


def test_ctrl_c_ends_it_and_neither_log_nor_process_list_has_a_given_token(workspace: Path, tmp_path: Path) -> None:
    with serving(workspace, tmp_path, "--address", "0.0.0.0", token=SECRET) as (url, process):
        assert answer(f"{url}/?token={SECRET}") == 401  # it is sent on, and this client keeps no cookie
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert SECRET.encode() not in command
    assert SECRET not in said
    assert said.count("\n") == 1
    assert "the app is at http://0.0.0.0:" in said
