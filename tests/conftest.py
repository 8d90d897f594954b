"""What every test shares: one thread per process, the rule for tests that need a real component, a model's server.

A test marked `docker`, `bubblewrap`, `local_llm` or `browser` is skipped, with the reason, where that component does
not work. Naming the component in NEURAMOSAIC_REQUIRE (separated by spaces, as in
`NEURAMOSAIC_REQUIRE="docker local-llm" make test`) turns such a skip, whoever called it, into a failure: so a green CI
run says that the real thing was tested.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

# Before anything imports torch. Tests run tiny models, side by side: more threads only cost time, and they change the
# order of floating-point sums.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


@functools.cache
def docker_problem() -> str | None:
    """Return why no Docker engine can be used, or None if one answers (where DOCKER_HOST says, if set)."""
    # In a process of its own: the SDK leaves a socket open when nothing answers, and in here that is an error.
    command = [sys.executable, "-c", "import docker; docker.from_env(timeout=10).ping()"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer within 60 s"
    return None if done.returncode == 0 else f"no Docker engine answers: {done.stderr.strip().splitlines()[-1]}"


@functools.cache
def bubblewrap_problem() -> str | None:
    """Return why bubblewrap cannot be used, or None if the backend could run a program in it."""
    from sandbox.bubblewrap import unavailable

    error = unavailable()
    return None if error is None else str(error)


@functools.cache
def local_llm_problem() -> str | None:
    """Return why the local language model cannot be used, or None if it is installed."""
    from agents.llm.base import ProviderUnavailableError
    from agents.llm.local import check_local

    try:
        check_local()
    except ProviderUnavailableError as error:
        return str(error)
    return None


@functools.cache
def browser_problem() -> str | None:
    """Return why no browser can be driven, or None if Chromium shows a page."""
    program = (
        "import shutil; from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p:\n"
        "    p.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox']).new_page()\n"
    )
    if shutil.which("chromium") is None:
        return "Chromium is not installed (on Debian: apt-get install chromium)"
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "Chromium does not start within 120 s"
    return None if done.returncode == 0 else f"Chromium does not start: {done.stderr.strip().splitlines()[-1]}"


PROBLEMS: dict[str, Callable[[], str | None]] = {
    "docker": docker_problem,
    "bubblewrap": bubblewrap_problem,
    "local-llm": local_llm_problem,
    "browser": browser_problem,
}


def is_marked(item: pytest.Item, component: str) -> bool:
    """Whether a test needs a component: its mark has the component's name, with `_` for `-`."""
    return item.get_closest_marker(component.replace("-", "_")) is not None


def required_components() -> frozenset[str]:
    """Return the components whose tests may not be skipped."""
    return frozenset(os.environ.get("NEURAMOSAIC_REQUIRE", "").split())


def pytest_configure(config: pytest.Config) -> None:
    unknown = required_components() - PROBLEMS.keys()
    if unknown:
        raise pytest.UsageError(
            f"NEURAMOSAIC_REQUIRE names {', '.join(sorted(unknown))}: known are {', '.join(sorted(PROBLEMS))}"
        )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for component, problem in PROBLEMS.items():
        if is_marked(item, component):
            reason = problem()
            if reason is not None:
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        needed = sorted(name for name in required_components() if is_marked(item, name))
        if needed and call.excinfo is not None:
            report.outcome = "failed"
            report.longrepr = f"skipped ({call.excinfo.value}), but NEURAMOSAIC_REQUIRE names {', '.join(needed)}"
    return report


class ModelServer:
    """An OpenAI-compatible server on loopback that behaves as it is told to, one behaviour a request.

    Attributes:
        behaviours: What to do with the next requests, in order; the last one stays. Each is given the handler.
        requests: The bodies of the requests, with the headers under "headers".
        released: Set when the test is over: what hangs waits for it.
    """

    def __init__(self) -> None:
        self.behaviours: list[Callable[[http.server.BaseHTTPRequestHandler], None]] = []
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(
                    {
                        **body,
                        "headers": {name.lower(): value for name, value in self.headers.items()},
                        "path": self.path,
                    }
                )
                behave = outer.behaviours.pop(0) if len(outer.behaviours) > 1 else outer.behaviours[0]
                try:
                    behave(self)
                except ConnectionError:
                    pass  # the client has left
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Stop; nothing listens afterwards."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @staticmethod
    def sends(body: str | bytes, status: int = 200, **headers: str) -> Callable[..., None]:
        """Return the behaviour that sends a body; `_` in the name of a header stands for `-`."""
        content = body.encode() if isinstance(body, str) else body

        def behave(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"content_type": "application/json", **headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

        return behave

    @classmethod
    def says(cls, text: str | None, finish: str = "stop", **over: Any) -> Callable[..., None]:
        """Return the behaviour that answers with a text, as a chat completion of 20 + 7 tokens."""
        message = {"role": "assistant", "content": text, **over}
        completion = {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27},
        }
        return cls.sends(json.dumps(completion))


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """A server of a language model on loopback; what it does is up to the test."""
    server = ModelServer()
    yield server
    server.stop()
