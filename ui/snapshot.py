"""What is known of a study at one moment: read from the store, shown by the views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agents.analyst import Analyst, Standing
from neuramosaic.analysis.predictions import Predictions, assess_predictions
from neuramosaic.seeds import stream
from neuramosaic.store.records import Event, StudyRecord, TrialRecord, TrialState
from neuramosaic.store.store import Store
from neuramosaic.study import StudyConfig
from ui.estimate import seconds_left, total_trials
from ui.figures import seconds_since

if TYPE_CHECKING:
    from graph.steering import SteeringStatus


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment.

    Attributes:
        study: The study.
        trials: Its trials, by number.
        events: Its journal, oldest first.
        alive: Whether a process runs it.
        last_rows: The newest row of the loss curve of each running trial, by trial id.
        steering: What a person asked for, and what waits for one.
    """

    study: StudyRecord
    trials: tuple[TrialRecord, ...]
    events: tuple[Event, ...]
    alive: bool
    last_rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    steering: SteeringStatus | None = None

    @property
    def paused(self) -> bool:
        """Whether a process has the study and begins nothing new."""
        return self.alive and self.study.state == "PAUSED"

    @property
    def waits(self) -> list[str]:
        """What waits for a person, and how to go on, a line each."""
        lines = [f"paused: go on with: neuramosaic steer {self.study.id} /resume"] if self.paused else []
        for item in self.steering.waiting if self.steering else ():
            approve = f"neuramosaic steer {self.study.id} '/approve c{item.number}'"
            lines.append(f"{item.slot} {item.name} waits for approval: {approve}")
        return lines

    def events_after(self, event: int) -> list[Event]:
        """Return the part of the journal that is newer than an event."""
        return [other for other in self.events if other.id > event]

    @property
    def config(self) -> StudyConfig:
        """What was asked for."""
        return StudyConfig.from_mapping(self.study.config)

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials in each state that any is in."""
        found = Counter(str(trial.state) for trial in self.trials)
        return {str(state): found[state] for state in TrialState if found[state]}

    @property
    def running(self) -> list[TrialRecord]:
        """The trials that run; those that a killed process left so are not among them."""
        return [trial for trial in self.trials if self.alive and trial.state is TrialState.RUNNING]

    @property
    def finished(self) -> int:
        """Number of finished trials."""
        return sum(trial.state.finished for trial in self.trials)

    @property
    def total(self) -> int:
        """Number of trials that the study will have, promotions among them, as far as can be told."""
        return self.finished if self.study.state == "FINISHED" else total_trials(self.config, self.trials)

    @property
    def standing(self) -> Standing:
        """The best against the baseline."""
        return Analyst().standing(self.trials)

    @property
    def predictions(self) -> Predictions | None:
        """What the language model expected against what came; None if it predicted nothing."""
        return assess_predictions(self.trials, rng=stream(0, "report", "predictions"))

    @property
    def unit(self) -> str:
        """Unit of the val loss."""
        return str(self.study.task.get("unit", "nats per token"))

    @property
    def backend(self) -> str:
        """The sandbox in use, or the one asked for while none has started."""
        for event in reversed(self.events):
            if event.kind == "sandbox" and "backend" in event.data:
                return str(event.data["backend"])
        return str(self.study.config.get("sandbox", "auto"))

    @property
    def elapsed_s(self) -> float:
        """Wall time of all sessions together, in seconds."""
        from graph.control import seconds_spent

        spent = seconds_spent(self.events)
        return spent + (seconds_since(self.events[-1].time) if self.alive and not self.paused and self.events else 0.0)

    @property
    def remaining_s(self) -> float | None:
        """Estimate of the seconds still needed; None if nothing has finished, or nothing is to come."""
        if self.study.state == "FINISHED":
            return None
        running_s = sum(seconds_since(trial.started) for trial in self.running if trial.started)
        workers = max(self.config.workers or 1, len(self.running))
        left = seconds_left(self.config, self.trials, running_s, workers)
        if left is not None and self.config.max_hours is not None:
            left = min(left, max(0.0, self.config.max_hours * 3600 - self.elapsed_s))
        return left

    def to_json(self) -> dict[str, Any]:
        """Return it as programs may rely on it (`status --json`)."""
        standing = self.standing
        return {
            "study": self.study.id,
            "state": str(self.study.state),
            "running": self.alive,
            "paused": self.paused,
            "steering": self.steering.steering.lines() if self.steering else [],
            "waiting_for_approval": [f"c{item.number}" for item in self.steering.waiting] if self.steering else [],
            "message": self.study.message or None,
            "task": self.study.config.get("task"),
            "sandbox": self.backend,
            "trials": self.counts,
            "planned_trials": self.total,
            "elapsed_s": round(self.elapsed_s, 1),
            "remaining_s": None if self.remaining_s is None else round(self.remaining_s, 1),
            "unit": self.unit,
            "baseline": standing.baseline.to_json() if standing.baseline else None,
            "best": standing.best.to_json() if standing.best else None,
            "predictions": self.predictions.to_json() if self.predictions else None,
        }


def take_snapshot(store: Store, study: str, alive: bool) -> Snapshot:
    """Read a study from the store.

    Raises:
        NotFoundError: If there is no such study.
    """
    from graph.steering import steering_status

    # The trials come last: each is then at least as far as the journal says.
    record, events, trials = store.study(study), store.events(study), store.trials(study)
    curves = {trial.id: store.curve(trial.id) for trial in trials if alive and trial.state is TrialState.RUNNING}
    return Snapshot(
        study=record,
        trials=tuple(trials),
        events=tuple(events),
        alive=alive,
        last_rows={trial: rows[-1] for trial, rows in curves.items() if rows},
        steering=steering_status(store, study),
    )
