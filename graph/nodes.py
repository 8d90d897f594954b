"""The steps of a study. Each reads the store, lets one agent act, writes the store, and returns ids.

A step may be run again after a crash: what it did before is found in the store and not done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.designer import CardProposal, Proposal
from agents.literature.agent import papers_behind
from agents.llm.base import BudgetSpentError
from agents.writer.result import Written
from graph.lab import Lab, WritingCutShortError
from graph.reporting import write_study_report
from graph.state import StudyState
from graph.trials import cancel, start_waiting, tell, tell_ends
from neuramosaic.errors import CodegenError
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.records import TrialOutcome, TrialRecord, TrialState, WritingRecord, WritingState


def literature(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Say what is known about the components that the designer may use, and for the task."""
    lab = runtime.context
    lab.consult(lab.store.trials(lab.study))
    return {}


def designer(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Let verified components join the space; then fill the free slots with proposals.

    Nothing is proposed while a component is still to be written, be it asked for in this step or in one that a session
    ended in: what is proposed next depends on what becomes of it, and not on whether a session ended meanwhile.
    """
    lab = runtime.context
    trials, writings = lab.store.trials(lab.study), lab.writings.of_study(lab.study)
    for writing in writings:
        if writing.state is WritingState.VERIFIED and not lab.joined(writing):
            lab.join(writing)
            name = f"{writing.slot} {writing.name}"
            lab.store.add_event(lab.study, "designer", "joined", f"{name} joins the space, version {writing.version}")
    lab.consult(trials)
    proposed: list[str] = []
    if _to_be_written(lab, writings) and not lab.spent and not lab.out_of_time:
        return {"proposed": proposed, "exhausted": False}
    while not (exhausted := _ended(lab, trials, writings)) and _may_propose(lab, trials, writings):
        try:
            proposal = lab.designer.propose(trials, writings)
        except BudgetSpentError as error:
            _spend(lab, error)
            continue
        if isinstance(proposal, CardProposal):
            _add_writing(lab, proposal)
            break
        if isinstance(proposal, Proposal):
            trial = _add_trial(lab, proposal)
            proposed.append(trial.id)
            trials.append(trial)
        else:
            open_yet = bool(_to_be_written(lab, writings))
            if lab.schedule is not None and not open_yet:
                raise lab.schedule.departure(f"after {len(trials)} trials nothing more is proposed")
            exhausted = proposal == "done" and not open_yet
            break
    return {"proposed": proposed, "exhausted": exhausted}


def _ended(lab: Lab, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord]) -> bool:
    """Whether nothing more is to be proposed, whatever the designer would say."""
    if lab.spent or lab.out_of_time:
        return True
    return lab.schedule is not None and lab.schedule.over(trials, writings) and not _to_be_written(lab, writings)


def _to_be_written(lab: Lab, writings: Sequence[WritingRecord]) -> list[WritingRecord]:
    """Return the writings that are not finished, in a replay without those that the study did not finish either."""
    return [
        writing
        for writing in writings
        if writing.state is WritingState.OPEN and not (lab.schedule and lab.schedule.left_open(writing.number))
    ]


def _may_propose(lab: Lab, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord]) -> bool:
    """Whether a slot is free; in a replay, whether the study proposed something here."""
    if lab.schedule is not None:
        return lab.schedule.due(trials, writings)
    return lab.plan.workers > sum(not trial.state.finished for trial in trials)


def _add_trial(lab: Lab, proposal: Proposal) -> TrialRecord:
    trial = lab.store.add_trial(
        lab.study,
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
        proposal=_with_papers(lab, proposal),
    )
    if lab.schedule is not None:
        lab.schedule.check(trial)
    kind = "promoted" if proposal.parent else "proposed"
    lab.store.add_event(lab.study, "designer", kind, f"{trial.label}: {proposal.why}", trial=trial.id)
    return trial


def _with_papers(lab: Lab, proposal: Proposal) -> dict[str, Any]:
    """Return what the record keeps of a proposal, with the papers that it goes back to, if any.

    These are the papers that its proposer named, there or when it asked for the component that is tried, and those of
    the components that were added to the catalogue.
    """
    kept = dict(proposal.proposal)
    asked = lab.writings.get(kept["writing"]).proposal if "writing" in kept else {}
    made = papers_behind(proposal.architecture, lab.plan.catalogue)
    papers = list(dict.fromkeys([*kept.get("papers", []), *asked.get("papers", []), *made]))
    return {**kept, "papers": papers} if papers else kept


def _add_writing(lab: Lab, proposal: CardProposal) -> None:
    writing = lab.writings.add(
        proposal.card, source="llm", study=lab.study, number=proposal.number, proposal=proposal.proposal
    )
    lab.store.add_event(lab.study, "designer", "card", f"{writing.slot} {writing.name}: {proposal.why}")


def _spend(lab: Lab, error: BudgetSpentError) -> None:
    """Take note that a cap is reached: what runs may finish, nothing new is begun in this session."""
    option = "--max-usd X" if error.unit == "USD" else "--max-llm-tokens N"
    lab.spent = f"{error}; go on with 'resume {lab.study} {option}'"
    lab.store.add_event(lab.study, "designer", "budget", lab.spent)


def coder(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Write and commit the model of every waiting trial that has none; then every component that is asked for.

    While a component is written, trials run; what they come to is taken note of afterwards. So the order of events, by
    which a designer decides, does not depend on how long the writing took.
    """
    lab = runtime.context
    for trial in lab.store.trials(lab.study, (TrialState.WAITING,)):
        if trial.commit is not None:
            continue
        try:
            commit = lab.coder.write(Architecture.from_json(trial.architecture))
        except CodegenError as error:
            tell(lab, trial, TrialOutcome(TrialState.FAILED, reason=f"code generation: {error}"))
            continue
        lab.store.set_commit(trial.id, commit)
        lab.store.add_event(lab.study, "coder", "coded", f"wrote model.py, commit {commit[:12]}", trial=trial.id)
    for writing in _to_be_written(lab, lab.writings.of_study(lab.study)):
        if lab.spent or lab.out_of_time:
            break
        start_waiting(lab)
        try:
            _write(lab, writing)
        except BudgetSpentError as error:
            _spend(lab, error)
        except WritingCutShortError:
            break  # the writing is still OPEN; the runner, which comes next, heeds a stop
    return {}


def _write(lab: Lab, writing: WritingRecord) -> None:
    """Have a component written, and say in the journal what came of it."""
    assert lab.workshop is not None
    name = f"{writing.slot} {writing.name}"
    lab.store.add_event(lab.study, "coder", "writing", f"writing {name}")
    # What failed once is remembered and not paid for again; a replay repeats it where the study did not remember it.
    again = lab.schedule is not None and lab.schedule.wrote(writing.number)
    written = lab.workshop.write(writing, lab.plan.catalogue, again=again)
    lab.store.add_event(lab.study, "coder", "written", f"{name}: {_came_of(written)}")


def _came_of(written: Written) -> str:
    effort = f"{written.attempts} attempts, {written.tokens:,} tokens, {written.seconds:.0f} s"
    if written.verified:
        return f"verified ({written.depth}) after {effort}"
    last = written.failures[-1] if written.failures else None
    why = f": {last.check}: {last.message}" if last else ""
    return f"not verified{', as is known' if written.remembered else ''}, {effort}{why}"


def runner(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Start every waiting trial, wait for any to finish, and tell the store."""
    lab = runtime.context
    start_waiting(lab)
    finished: list[str] = []
    while True:
        stop = next((command for command in lab.store.pending_commands(lab.study) if command.kind == "stop"), None)
        if stop is not None:
            cancel(lab)
            lab.store.finish_command(stop.id)
            return {"finished": finished, "stopping": True}
        if finished or not lab.workers.in_flight:
            return {"finished": finished, "stopping": False}
        finished = tell_ends(lab)


def pause(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Wait for a person: the graph stops here, checkpointed, until `resume`."""
    interrupt("stopped on request")
    return {"stopping": False}


def analyst(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Say where the study stands after what finished."""
    lab = runtime.context
    if state.get("finished"):
        standing = lab.analyst.standing(lab.store.trials(lab.study))
        lab.store.add_event(lab.study, "analyst", "standing", standing.summary(lab.plan.task.metric.unit))
    return {}


def report(state: StudyState, runtime: Runtime[Lab]) -> dict[str, Any]:
    """Write the report that a person looks at."""
    lab = runtime.context
    path = write_study_report(lab.store, lab.study, lab.workspace, finished=True)
    lab.store.add_event(lab.study, "analyst", "report", f"wrote {path}")
    return {"report": str(path.relative_to(lab.workspace))}
