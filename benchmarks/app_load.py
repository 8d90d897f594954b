"""How quick the app is with a large store: seconds from a click to the drawn view, memory, and many sessions at once.

    python benchmarks/app_load.py [--trials 20000] [--interactions 200] [--sessions 10] [--workspace DIR] [--json]

It makes a workspace with one study of so many trials (a few hundred distinct architectures, each trained with several
seeds and promoted to three rungs; loss curves for the first 500; five lines of the journal for each trial), starts
`neuramosaic ui` on it, and clicks through it in Chromium. The losses are made up: only their number matters here.
A view is drawn when its script has ended and no placeholder is left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from graph.plan import study_space
from neuramosaic.canonical import canonical_json
from neuramosaic.components.registry import catalogue
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import StudyState, TrialOutcome, TrialState
from neuramosaic.store.rows import outcome_json
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from ui.app import VIEWS

ARCHITECTURES, CURVES, ROWS = 300, 500, 120
CHECKS = (
    "import_allow_list", "contract", "finite", "scale", "causal", "causal_gradient", "batch_independence",
    "determinism", "stateless", "longer", "gradients", "mixing", "parameter_count", "overfits", "audit_leak",
)  # fmt: skip
TASK = {
    "name": "python-code", "unit": "nats per byte", "vocab_size": 256, "sequence_length": 128, "byte_level": True,
    "corpus": "sha256:feed", "settings": {"sequence_length": 128}, "directory": "artifacts/data/none/search",
}  # fmt: skip
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
#: Counts how often the script of the page has ended.
COUNT_RUNS = """() => { const app = document.querySelector('[data-testid=stApp]');
  window.runsEnded = 0;
  new MutationObserver(() => { if (app.dataset.testScriptState === 'notRunning') window.runsEnded++; })
    .observe(app, {attributes: true, attributeFilter: ['data-test-script-state']}); }"""
NOW = "() => [window.runsEnded, document.querySelector('h1')?.innerText]"
#: A quick run may begin and end unseen while the page is busy: then the heading tells.
DRAWN = """([ended, heading]) => (window.runsEnded > ended || document.querySelector('h1')?.innerText !== heading)
  && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')"""


def build_workspace(workspace: Path, trials: int, *, rng: np.random.Generator) -> str:
    """Make a workspace with a finished study of so many trials; return the study's id.

    Args:
        workspace: Where; it must not exist.
        trials: How many trials.
        rng: Source of architectures and losses.
    """
    config = StudyConfig(task="python-code", params=300_000, trials=trials, tokens=16_000, rungs=3, llm="none")
    space = study_space(config, TASK, catalogue())
    designs = [space.baseline(), *(space.sample(rng) for _ in range(ARCHITECTURES - 1))]
    quality = rng.normal(2.6, 0.25, size=len(designs))
    with Store.open(workspace) as store:
        study = store.create_study("python-code", config.to_json(), TASK, space.version).id
        rows, curves, events = [], [], []
        for number in range(trials):
            which = number % len(designs)
            rung = 0 if number < 0.8 * trials else 1 if number < 0.95 * trials else 2
            row = _trial(study, number, which, designs[which], rung, float(quality[which]), config, space.version, rng)
            rows.append(row)
            events += _events(row)
            if number < CURVES:
                curves += _curve(row, rng)
        with store.write() as db:
            names = ", ".join(f'"{name}"' for name in rows[0])
            marks = ", ".join("?" * len(rows[0]))
            db.conn.executemany(f"INSERT INTO trials ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows])
            db.conn.executemany('INSERT INTO curves (trial, attempt, tokens, "row") VALUES (?, 1, ?, ?)', curves)
            db.conn.executemany(
                "INSERT INTO events (study, time, agent, kind, message, trial, data) VALUES (?, ?, ?, ?, ?, ?, '{}')",
                events,
            )
        store.set_study_state(study, StudyState.FINISHED)
    return study


def _trial(
    study: str,
    number: int,
    which: int,
    design: Architecture,
    rung: int,
    quality: float,
    config: StudyConfig,
    version: str,
    rng: np.random.Generator,
) -> dict[str, Any]:
    chance = rng.random()
    state = TrialState.FAILED if chance < 0.04 else TrialState.PRUNED if chance < 0.08 else TrialState.COMPLETE
    if which == 0:
        state = TrialState.COMPLETE
    tokens = config.fidelity(rung)
    loss = quality - 0.2 * rung + float(rng.normal(0, 0.03))
    seconds = float(rng.uniform(20, 90))
    outcome = TrialOutcome(
        state,
        {"val_loss": loss, "val_bits_per_byte": loss / np.log(2), "tokens_per_second": tokens / seconds}
        if state is TrialState.COMPLETE
        else {},
        "" if state is TrialState.COMPLETE else "verification: causal: it sees the future",
        seconds,
        6.0 * tokens * config.params,
        400 << 20,
        config.params,
        tuple({"name": name, "passed": True, "message": "", "seconds": 0.5} for name in CHECKS),
        {"backend": "bubblewrap", "threads": 1, "torch": "2.9", "cpu": "some processor", "seed": 0},
        "f1:" + ",".join(f"{value:.6e}" for value in rng.normal(size=16)),
    )
    at = BEGIN + timedelta(seconds=30 * number)
    return {
        "id": f"{study}.{number}",
        "study": study,
        "number": number,
        "state": str(state),
        "architecture": design.canonical,
        "architecture_id": design.id,
        "source": "baseline" if which == 0 else ("bayes", "evolution", "random")[which % 3],
        "label": design.label(),
        "components": canonical_json(design.components()),
        "params": config.params,
        "seed": number // ARCHITECTURES,
        "rung": rung,
        "fidelity_tokens": tokens,
        "parent": f"{study}.{which}" if rung else None,
        "corpus": TASK["corpus"],
        "created": _text(at),
        "started": _text(at + timedelta(seconds=1)),
        "finished": _text(at + timedelta(seconds=seconds)),
        "attempts": 1,
        "asked": number,
        "proposal": "{}",
        "space_version": version,
        "after": number,
        "finish_order": number + 1,
        "val_loss": loss if state is TrialState.COMPLETE else None,
        "outcome": canonical_json(outcome_json(outcome)),
    }


def _curve(row: Mapping[str, Any], rng: np.random.Generator) -> Iterator[tuple[str, int, str]]:
    for step in range(1, ROWS + 1):
        tokens = row["fidelity_tokens"] * step // ROWS
        loss = 2.5 + 3 * np.exp(-4 * step / ROWS) + float(rng.normal(0, 0.05))
        data = {"step": step, "tokens": tokens, "train_loss": loss, "seconds": float(step)}
        if step % 30 == 0:
            data["val_loss"] = loss + 0.05
        yield row["id"], tokens, canonical_json(data)


def _events(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str, str | None]]:
    for agent, kind, message in (
        ("designer", "proposed", f"{row['label']}: bayes after {row['number']} results"),
        ("coder", "coded", "wrote model.py, commit 0123456789ab"),
        ("runner", "started", "attempt 1"),
        ("runner", "finished", f"val loss {row['val_loss'] or 0:.4f} nats per byte in 40 s"),
        ("analyst", "standing", "best 2.1 nats per byte"),
    ):
        yield row["study"], row["finished"], agent, kind, message, None if agent == "analyst" else row["id"]


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


@contextmanager
def served(workspace: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run `neuramosaic ui` on a workspace; yield its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ui.cli", "ui", "--no-browser", "--port", str(port), "--workspace", str(workspace)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(command, env=environment)
    url = f"http://localhost:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def opened(browser: Any, url: str) -> Any:
    """Open the app in a browser of its own; return its page."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(url)
    page.wait_for_selector("[data-testid=stSidebarNavLink]", timeout=120_000)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)
    page.evaluate(COUNT_RUNS)
    return page


def click(page: Any, view: str) -> float:
    """Click on a view; return the seconds until it is drawn."""
    before = page.evaluate(NOW)
    link = page.locator(f"[data-testid=stSidebarNavLink][href$='/{'' if view == 'overview' else view}']").first
    begin = time.perf_counter()
    link.click()
    page.wait_for_function(DRAWN, arg=before, timeout=120_000, polling=20)
    return time.perf_counter() - begin


def measure(workspace: Path, interactions: int, sessions: int, chromium: str) -> dict[str, Any]:
    """Return what was measured: seconds by view, memory in MiB, seconds with many sessions."""
    from playwright.sync_api import sync_playwright

    views = [name for group in VIEWS.values() for name, _, _ in group]
    order = [*views[1:], views[0]]  # the first one is there already
    with served(workspace) as (url, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        begin = time.perf_counter()
        page = opened(browser, url)
        result: dict[str, Any] = {"opened_s": time.perf_counter() - begin}
        result["first_s"] = {view: click(page, view) for view in order}
        again: dict[str, list[float]] = {view: [] for view in order}
        memory = [_mebibytes(server)]
        for number in range(interactions):
            view = order[number % len(order)]
            again[view].append(click(page, view))
            if (number + 1) % 50 == 0:
                memory.append(_mebibytes(server))
        result["again_s"] = {view: statistics.median(seconds) for view, seconds in again.items() if seconds}
        result["worst_again_s"] = {view: max(seconds) for view, seconds in again.items() if seconds}
        result["memory_mib"] = memory
        others = [opened(browser, url) for _ in range(sessions)]
        together: dict[str, float] = {}
        for view in order:
            begin = time.perf_counter()
            befores = [other.evaluate(NOW) for other in others]
            for other in others:
                other.locator(
                    f"[data-testid=stSidebarNavLink][href$='/{'' if view == 'overview' else view}']"
                ).first.click(no_wait_after=True)
            for other, before in zip(others, befores, strict=True):
                other.wait_for_function(DRAWN, arg=before, timeout=120_000, polling=20)
            together[view] = time.perf_counter() - begin
        result["together_s"], result["memory_with_sessions_mib"] = together, _mebibytes(server)
        browser.close()
    return result


def _mebibytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / (1 << 20))


def main() -> None:
    """Build, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--interactions", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--workspace", type=Path, help="Kept and used again, if given.")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workspace = options.workspace or Path(temporary) / "workspace"
        if not (workspace / "neuramosaic.db").exists():
            begin = time.perf_counter()
            build_workspace(workspace, options.trials, rng=np.random.default_rng(0))
            print(f"built {options.trials:,} trials in {time.perf_counter() - begin:.1f} s", file=sys.stderr)
        result = measure(workspace, options.interactions, options.sessions, options.chromium)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"opened in {result['opened_s']:.1f} s; seconds from click to drawn:")
    print(f"{'view':<14}{'first':>8}{'median':>8}{'worst':>8}{f'{options.sessions} at once':>12}")
    for view, first in result["first_s"].items():
        median, worst = result["again_s"].get(view, float("nan")), result["worst_again_s"].get(view, float("nan"))
        print(f"{view:<14}{first:>8.2f}{median:>8.2f}{worst:>8.2f}{result['together_s'][view]:>12.2f}")
    print(f"memory (MiB) every 50 interactions: {', '.join(f'{value:.0f}' for value in result['memory_mib'])}")
    print(f"memory (MiB) with {options.sessions} sessions more: {result['memory_with_sessions_mib']:.0f}")


if __name__ == "__main__":
    main()
