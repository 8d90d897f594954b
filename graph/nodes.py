"""The steps of a study. Each reads the store, lets one agent act, writes the store, and returns ids.

A step may be run again after a crash: what it did before is found in the store and not done twice.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.designer import Proposal
from graph.lab import Lab
from graph.reporting import write_study_report
from graph.state import StudyState
from graph.workers import Ended, Metrics
from neuramosaic.components.spec import Slot
from neuramosaic.errors import CodegenError, SandboxError
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import TrialOutcome, TrialRecord, TrialState

#: How often the runner looks for commands while it waits, in seconds.
POLL_S = 0.25
#: How often the sandbox itself may fail on a trial before the session ends; the study can be resumed then.
MAX_SANDBOX_FAILURES = 3

OPEN = (TrialState.WAITING, TrialState.RUNNING)


def literature(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Brief the designer on what is known about the components it may use."""
    lab = runtime.context
    specs = [spec for slot in Slot for spec in lab.plan.space.components(slot)]
    brief = lab.literature.brief(specs)
    papers = {citation.component: citation.paper for citation in brief.citations}
    lab.store.add_event(state["study"], "literature", "brief", brief.summary(), data=papers)
    return {}


def designer(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Fill the free slots with proposals."""
    lab, study = runtime.context, state["study"]
    trials = lab.store.trials(study)
    free = lab.plan.workers - sum(not trial.state.finished for trial in trials)
    proposed: list[str] = []
    exhausted = lab.out_of_time
    while free > 0 and not exhausted:
        proposal = lab.designer.propose(trials)
        if proposal == "wait":
            break
        if proposal == "done":
            exhausted = True
            break
        assert isinstance(proposal, Proposal), "only a language model proposes components"
        trial = lab.store.add_trial(
            study,
            proposal.number,
            proposal.architecture,
            source=proposal.source,
            params=lab.plan.space.count_parameters(proposal.architecture),
            seed=lab.plan.config.seed if proposal.seed is None else proposal.seed,
            rung=proposal.rung,
            fidelity_tokens=lab.plan.config.fidelity(proposal.rung),
            corpus=lab.plan.corpus,
            asked=proposal.asked,
            parent=proposal.parent,
            proposal=proposal.proposal,
        )
        kind = "promoted" if proposal.parent else "proposed"
        lab.store.add_event(study, "designer", kind, f"{trial.label}: {proposal.why}", trial=trial.id)
        proposed.append(trial.id)
        trials.append(trial)
        free -= 1
    return {"proposed": proposed, "exhausted": exhausted}


def coder(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Write and commit the model of every waiting trial that has none."""
    lab, study = runtime.context, state["study"]
    for trial in lab.store.trials(study, (TrialState.WAITING,)):
        if trial.commit is not None:
            continue
        try:
            commit = lab.coder.write(Architecture.from_json(trial.architecture))
        except CodegenError as error:
            _tell(lab, trial, TrialOutcome(TrialState.FAILED, reason=f"code generation: {error}"))
            continue
        lab.store.set_commit(trial.id, commit)
        lab.store.add_event(study, "coder", "coded", f"wrote model.py, commit {commit[:12]}", trial=trial.id)
    return {}


def runner(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Start every waiting trial, wait for any to finish, and tell the store."""
    lab, study = runtime.context, state["study"]
    for trial in lab.store.trials(study, OPEN):
        if trial.id not in lab.workers.in_flight and trial.commit is not None:
            _start(lab, trial)
    finished: list[str] = []
    while lab.workers.in_flight and not finished:
        stop = next((command for command in lab.store.pending_commands(study) if command.kind == "stop"), None)
        if stop is not None:
            _cancel(lab)
            lab.store.finish_command(stop.id)
            return {"finished": finished, "stopping": True}
        for message in lab.workers.collect(POLL_S):
            if isinstance(message, Metrics):
                _keep(lab, message)
            elif _end(lab, message):
                finished.append(message.trial.id)
    return {"finished": finished, "stopping": False}


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
    _tell(lab, trial, ended.outcome)
    return True


def _tell(lab: Lab, trial: TrialRecord, outcome: TrialOutcome) -> None:
    told = lab.store.tell(trial.id, outcome)
    if told.val_loss is not None:
        message = f"val loss {told.val_loss:.4f} {lab.plan.task.metric.unit} in {outcome.seconds:.0f} s"
    else:
        message = f"{told.state}: {outcome.reason}"
    lab.store.add_event(trial.study, "runner", "finished", message, trial=trial.id)


def _cancel(lab: Lab) -> None:
    """Kill what runs; a trial that ended before the kill reached it is still told."""
    lab.workers.cancel_all()
    while lab.workers.in_flight:
        for message in lab.workers.collect(POLL_S):
            if isinstance(message, Metrics):
                _keep(lab, message)
            elif isinstance(message.error, SandboxError):  # it may well be the kill
                lab.store.release_trial(message.trial.id)
            else:
                _end(lab, message)


def pause(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Wait for a person: the graph stops here, checkpointed, until `resume`."""
    interrupt("stopped on request")
    return {"stopping": False}


def analyst(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Say where the study stands after what finished."""
    lab, study = runtime.context, state["study"]
    if state.get("finished"):
        standing = lab.analyst.standing(lab.store.trials(study))
        lab.store.add_event(study, "analyst", "standing", standing.summary(lab.plan.task.metric.unit))
    return {}


def report(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Write the report that a person looks at."""
    lab, study = runtime.context, state["study"]
    path = write_study_report(lab.store, study, lab.workspace, finished=True)
    lab.store.add_event(study, "analyst", "report", f"wrote {path}")
    return {"report": str(path.relative_to(lab.workspace))}
