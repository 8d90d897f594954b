"""Starting trials, and telling the store how they ended."""

from __future__ import annotations

from agents.runner import unused_gpu
from graph.lab import Lab
from graph.workers import MAX_SANDBOX_FAILURES, Ended, Metrics
from neuramosaic.errors import SandboxError
from neuramosaic.store.records import TrialOutcome, TrialRecord, TrialState

#: How long one look at the workers waits, in seconds.
POLL_S = 0.25

OPEN = (TrialState.WAITING, TrialState.RUNNING)


def start_waiting(lab: Lab) -> None:
    """Start every trial that has its code and does not run yet."""
    for trial in lab.store.trials(lab.study, OPEN):
        if trial.id not in lab.workers.in_flight and trial.commit is not None:
            _start(lab, trial)


def tell_ends(lab: Lab) -> list[str]:
    """Take what the workers report within `POLL_S`; return the ids of the trials that are finished now.

    A replay takes note of one end at a time, of the trial whose turn it is.
    """
    turn = lab.schedule.next_end(lab.store.trials(lab.study)) if lab.schedule else None
    finished = []
    for message in lab.workers.collect(POLL_S, only_end_of=None if turn is None else f"{lab.study}.{turn}"):
        if isinstance(message, Metrics):
            _keep(lab, message)
        elif _end(lab, message):
            finished.append(message.trial.id)
    return finished


def tell(lab: Lab, trial: TrialRecord, outcome: TrialOutcome) -> None:
    """Finish a trial, and say so in the journal."""
    told = lab.store.tell(trial.id, outcome)
    if told.val_loss is not None:
        message = f"val loss {told.val_loss:.4f} {lab.plan.task.metric.unit} in {outcome.seconds:.0f} s"
    else:
        message = f"{told.state}: {outcome.reason}"
    lab.store.add_event(trial.study, "runner", "finished", message, trial=trial.id)
    if trial.number == 0 and (unused := unused_gpu(outcome)):  # the first of a study stands for all
        lab.store.add_event(trial.study, "runner", "device", unused, trial=trial.id)
    difference = lab.schedule.difference(told) if lab.schedule else None
    if difference is not None:
        lab.store.add_event(trial.study, "runner", "differs", difference, trial=trial.id)


def cancel(lab: Lab) -> None:
    """Kill what runs; a trial that ended before the kill reached it is still told, but in a replay only in its turn."""
    lab.workers.cancel_all()
    while lab.workers.in_flight:
        for message in lab.workers.collect(POLL_S):
            if isinstance(message, Metrics):
                _keep(lab, message)
            elif lab.schedule is not None or isinstance(message.error, SandboxError):  # it may well be the kill
                lab.store.release_trial(message.trial.id)
            else:
                _end(lab, message)


def _start(lab: Lab, trial: TrialRecord) -> None:
    if trial.state is TrialState.RUNNING:  # by a session that was killed
        lab.store.release_trial(trial.id)
    started = lab.store.start_trial(trial.id)
    lab.store.add_event(trial.study, "runner", "started", f"attempt {started.attempts}", trial=trial.id)
    lab.workers.submit(started)


def _keep(lab: Lab, metrics: Metrics) -> None:
    lab.store.add_metrics(metrics.trial.id, metrics.trial.attempts, metrics.rows)


def _end(lab: Lab, ended: Ended) -> bool:
    """Tell the store how a trial ended; start it again if only the sandbox failed. Returns whether it is finished."""
    trial = ended.trial
    if ended.error is not None:
        lab.sandbox_failures[trial.id] += 1
        if not isinstance(ended.error, SandboxError) or lab.sandbox_failures[trial.id] >= MAX_SANDBOX_FAILURES:
            raise ended.error
        lab.store.add_event(trial.study, "runner", "retry", f"sandbox failed: {ended.error}", trial=trial.id)
        lab.store.release_trial(trial.id)
        _start(lab, lab.store.trial(trial.id))
        return False
    if ended.outcome is None:
        lab.store.release_trial(trial.id)
        return False
    tell(lab, trial, ended.outcome)
    return True
