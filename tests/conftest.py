"""What every test shares: one thread per process, and the rule for tests that need a real component.

A test marked `docker` or `bubblewrap` is skipped, with the reason, where that component does not work. Naming the
component in NEURAMOSAIC_REQUIRE (separated by spaces, as in `NEURAMOSAIC_REQUIRE="docker bubblewrap" make test`) turns
such a skip, whoever called it, into a failure: so a green CI run says that the real thing was tested.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Generator

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


PROBLEMS: dict[str, Callable[[], str | None]] = {"docker": docker_problem, "bubblewrap": bubblewrap_problem}


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
        if item.get_closest_marker(component) is not None:
            reason = problem()
            if reason is not None:
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        needed = sorted(name for name in required_components() if item.get_closest_marker(name) is not None)
        if needed and call.excinfo is not None:
            report.outcome = "failed"
            report.longrepr = f"skipped ({call.excinfo.value}), but NEURAMOSAIC_REQUIRE names {', '.join(needed)}"
    return report
