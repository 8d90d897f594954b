"""The views of a running study, from snapshots; and how much is left."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from neuramosaic.store.records import StudyState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from ui.estimate import planned_trials, seconds_left, total_trials
from ui.figures import count, duration, size
from ui.progress import LiveView, PlainView, panel, view_for
from ui.snapshot import Snapshot, take_snapshot
from ui.watch import Ending, Watcher

ESCAPE = "\x1b"


def text_console(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def snapshot(workspace: Path) -> Snapshot:
    with Store.open(workspace) as store:
        return take_snapshot(store, "text-1", alive=True)


@pytest.mark.parametrize("width", [80, 100])
def test_the_panel_says_all_and_fits(snapshot: Snapshot, width: int) -> None:
    console = text_console(width)
    console.print(panel(snapshot))
    text = written(console)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    for part in (
        "text-1",
        "4/10 trials",
        "1 running",
        "1 failed",
        "2.05k/4.10k tokens",
        "train 3.250",
        "below the baseline",
    ):
        assert part in text


def test_plain_lines_are_printed_once_and_hold_no_cursor_tricks(workspace: Path) -> None:
    console = text_console()
    view = PlainView(console)
    with Store.open(workspace) as store, view:
        store.add_event("text-1", "runner", "finished", "val loss 2.4000", trial="text-1.1")
        store.add_event("text-1", "runner", "image", "building the image")
        for _ in range(3):
            view.show(take_snapshot(store, "text-1", alive=True))
    text = written(console)
    assert text.count("trial 1 (random)") == 1
    assert text.count("building the image") == 1
    assert "attempt 1" not in text
    assert ESCAPE not in text


def test_only_a_terminal_gets_the_live_view() -> None:
    assert isinstance(view_for(text_console(), anew=True), PlainView)
    assert isinstance(view_for(Console(file=io.StringIO(), force_terminal=True), anew=True), LiveView)


def test_planned_trials_count_promotions_and_the_baseline() -> None:
    config = StudyConfig(trials=16, rungs=3, eta=3)
    assert planned_trials(config) == [17, 6, 2]
    assert planned_trials(StudyConfig(trials=1, rungs=2)) == [2, 2]
    assert total_trials(config, []) == 25


def test_time_left_grows_with_what_is_left(snapshot: Snapshot) -> None:
    config = StudyConfig(trials=6, rungs=1, tokens=4096)
    left = seconds_left(config, snapshot.trials, running_s=0.0, workers=1)
    assert left == pytest.approx(3 * 9.0)  # three of seven to go; four took 36 s together
    assert seconds_left(config, snapshot.trials, running_s=0.0, workers=2) == pytest.approx(left / 2)
    assert seconds_left(config, [], running_s=0.0, workers=1) is None


def test_figures() -> None:
    assert [count(value) for value in (0, 999, 1000, 4096, 131_072, 300_000, 999_999, 1.5e6)] == [
        "0",
        "999",
        "1k",
        "4.10k",
        "131k",
        "300k",
        "1M",
        "1.50M",
    ]
    assert [duration(value) for value in (0.4, 59, 61, 3599.7)] == ["0 s", "59 s", "1 min 01 s", "1 h 00 min"]
    assert [size(value) for value in (0, 1536, 3 << 30)] == ["0 bytes", "1.5 KiB", "3.0 GiB"]


def watch(store: Store, workspace: Path, program: str) -> Ending:
    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", program])
        process.wait()
        return process

    ending, _ = Watcher(store, "text-1", workspace, PlainView(text_console()), start=start).follow()
    return ending


def session(state: StudyState, workspace: Path) -> str:
    """Return a program that begins a session and leaves the study in a state."""
    return (
        "from pathlib import Path\nfrom neuramosaic.store.store import Store\n"
        f"store = Store.open(Path({str(workspace)!r}))\n"
        "store.add_event('text-1', 'session', 'started', '')\n"
        f"store.set_study_state('text-1', {str(state)!r})\n"
    )


@pytest.mark.parametrize(
    ("state", "ending"),
    [
        (StudyState.FINISHED, Ending.FINISHED),
        (StudyState.STOPPED, Ending.STOPPED),
        (StudyState.FAILED, Ending.FAILED),
        (StudyState.RUNNING, Ending.DIED),
    ],
)
def test_how_watching_ends(workspace: Path, state: StudyState, ending: Ending) -> None:
    with Store.open(workspace) as store:
        assert watch(store, workspace, session(state, workspace)) is ending


def test_a_process_that_never_began_is_dead_whatever_the_study_was_before(workspace: Path) -> None:
    with Store.open(workspace) as store:
        store.set_study_state("text-1", StudyState.FINISHED)
        assert watch(store, workspace, "") is Ending.DIED


def test_interrupts_ask_once_then_leave(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first Ctrl-C waits until the study can be asked to stop; the second one leaves."""
    asked: list[str] = []
    ticks = iter(range(1000))

    with Store.open(workspace) as store:

        def sleep(_: float) -> None:
            match next(ticks):
                case 0:
                    raise KeyboardInterrupt
                case 2:
                    assert not asked  # the process has not begun: it would not heed the command
                    store.add_event("text-1", "session", "started", "")
                case 5:
                    raise KeyboardInterrupt
                case 6:
                    pytest.fail("the second interrupt did not leave")

        monkeypatch.setattr("ui.watch.time.sleep", sleep)
        living = SimpleNamespace(poll=lambda: None)
        watcher = Watcher(store, "text-1", workspace, PlainView(text_console()), start=lambda: living)  # type: ignore[arg-type, return-value]
        ending, _ = watcher.follow(lambda: asked.append("stop"))
    assert ending is Ending.LEFT
    assert asked == ["stop"]
