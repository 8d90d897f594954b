"""run, resume, stop, status: what starts, steers and watches a study."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from neuramosaic.errors import UsageError
from ui.commands.opening import opened, study_of
from ui.failures import DONE
from ui.options import (
    DEFAULT_WORKSPACE,
    LLM_PANEL,
    AsJson,
    BaseUrl,
    MaxHours,
    MaxLlmTokens,
    MaxUsd,
    ModelFile,
    ModelName,
    SandboxName,
    StudyName,
    Trials,
    Workers,
    Workspace,
)
from ui.output import notices, print_json, results, say

app = typer.Typer(rich_markup_mode="rich")
PANEL = "Studies"


@app.command(rich_help_panel=PANEL)
def run(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG.yaml", help="Study configuration; options override it."),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", metavar="TASK", help="python-code, recall, text:FILE ...")
    ] = None,
    trials: Trials = None,
    params: Annotated[
        str | None, typer.Option("--params", metavar="COUNT", help="Parameters of every model, such as 300k.")
    ] = None,
    tokens: Annotated[
        str | None,
        typer.Option("--tokens", metavar="COUNT", help="Training tokens at the first rung, such as 131k."),
    ] = None,
    rungs: Annotated[int | None, typer.Option("--rungs", metavar="N", help="Number of fidelity levels.")] = None,
    sampler: Annotated[
        str | None, typer.Option("--sampler", metavar="NAME", help="bayes, evolution, random, sobol.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="SEED", help="Seed of search and training.")] = None,
    sandbox: SandboxName = None,
    workers: Workers = None,
    max_hours: MaxHours = None,
    llm: Annotated[
        str | None,
        typer.Option(
            "--llm",
            metavar="PROVIDER",
            help="Language model that proposes and writes beside the algorithms: none, local, openai, replay; auto is "
            "local where it is installed, else none.",
            rich_help_panel=LLM_PANEL,
        ),
    ] = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    gguf: ModelFile = None,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay", metavar="STUDY", help="replay: the study that is repeated.", rich_help_panel=LLM_PANEL
        ),
    ] = None,
    max_usd: MaxUsd = None,
    max_llm_tokens: MaxLlmTokens = None,
    new_components: Annotated[
        int | None,
        typer.Option(
            "--new-components",
            metavar="N",
            help="Components, at most, that the language model may have written.",
            rich_help_panel=LLM_PANEL,
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start the study and return at once.")] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Start a study and watch it: propose, write, verify and train models, and learn from each.

    A replay repeats a study that asked a language model, with the answers of its ledger and no model present.

    The study runs in a process of its own. Ctrl-C stops it in good order; closing the terminal stops nothing.

    Examples:
      neuramosaic run --task python-code --trials 16 --params 300k
      neuramosaic run --task text:notes.txt --max-hours 8 --detach
      neuramosaic run study.yaml --seed 1 --json
      neuramosaic run --llm openai --model gpt-5-mini --max-usd 2
      neuramosaic run --llm replay --replay python-code-1
    """
    from graph.session import create_study
    from neuramosaic.study import StudyConfig
    from sandbox.process import WARNING
    from ui.conclusion import conclude_detached
    from ui.launching import launch_and_watch

    given = {
        "task": task,
        "trials": trials,
        "params": params,
        "tokens": tokens,
        "rungs": rungs,
        "sampler": sampler,
        "seed": seed,
        "sandbox": sandbox,
        "workers": workers,
        "max_hours": max_hours,
        "llm": _with_auto(llm, config),
        "llm_model": model,
        "llm_url": base_url,
        "llm_gguf": str(gguf) if gguf is not None else None,
        "replay": replay,
        "max_usd": max_usd,
        "max_llm_tokens": max_llm_tokens,
        "new_components": new_components,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    asked = StudyConfig.from_file(config, overrides) if config else StudyConfig.from_mapping(overrides)
    study = create_study(asked, workspace)
    with opened(workspace) as store:
        task = store.study(study).config["task"]
    say(f"study {study}: {task}, workspace {workspace}")
    if asked.sandbox == "process":
        say(WARNING, "yellow")
    if detach:
        return conclude_detached(study, workspace, as_json=as_json)
    return launch_and_watch(study, workspace, as_json=as_json)


@app.command(rich_help_panel=PANEL)
def resume(
    study: StudyName,
    trials: Trials = None,
    max_hours: MaxHours = None,
    workers: Workers = None,
    sandbox: SandboxName = None,
    max_usd: MaxUsd = None,
    max_llm_tokens: MaxLlmTokens = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start the study and return at once.")] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Go on with a study that was stopped, was killed, failed, or has finished and is to have more trials.

    No trial is lost or done twice: an interrupted one starts again from its beginning.

    Examples:
      neuramosaic resume python-code-1
      neuramosaic resume python-code-1 --trials 32
      neuramosaic resume python-code-1 --max-usd 5
    """
    from graph.control import is_running
    from graph.session import extend_study
    from ui.conclusion import conclude_detached
    from ui.launching import launch_and_watch

    with opened(workspace) as store:
        record = store.study(study)
    if is_running(study, workspace):
        raise UsageError(
            f"study {study} is running: watch it with 'neuramosaic status {study} --follow', "
            f"or stop it with 'neuramosaic stop {study}'"
        )
    given = {
        "trials": trials,
        "max_hours": max_hours,
        "workers": workers,
        "sandbox": sandbox,
        "max_usd": max_usd,
        "max_llm_tokens": max_llm_tokens,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if changes:
        extend_study(study, workspace, changes)
    elif record.state == "FINISHED" and not record.message:
        say(f"study {study} is finished: to go on, raise its {record.config['trials']} trials with --trials N")
    if detach:
        return conclude_detached(study, workspace, as_json=as_json)
    return launch_and_watch(study, workspace, as_json=as_json, resumed=True)


@app.command(rich_help_panel=PANEL)
def stop(
    study: StudyName,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has stopped.")] = True,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Ask a running study to stop in good order; what it has finished stays, and `resume` goes on.

    Example:
      neuramosaic stop python-code-1
    """
    from graph.control import is_running, request_stop

    was_running = request_stop(study, workspace)
    if was_running and wait:
        say(f"waiting for study {study} to stop ...")
        while is_running(study, workspace):
            time.sleep(0.2)
    with opened(workspace) as store:
        state = str(store.study(study).state)
    running = is_running(study, workspace)
    if as_json:
        print_json({"study": study, "was_running": was_running, "running": running, "state": state})
    elif not was_running:
        results().print(f"study {study} is not running ({state})", soft_wrap=True)
    elif running:
        results().print(f"study {study} was asked to stop", soft_wrap=True)
    else:
        results().print(f"study {study}: {state}; go on with 'neuramosaic resume {study}'", soft_wrap=True)
    return DONE


@app.command(rich_help_panel=PANEL)
def status(
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="By default the newest study.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing it until it ends; Ctrl-C only stops the showing.")
    ] = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Say where a study stands: trials done and running, the best against the baseline, time left.

    Examples:
      neuramosaic status
      neuramosaic status python-code-1 --follow
    """
    from graph.control import is_running
    from ui.conclusion import conclude
    from ui.progress import panel, view_for
    from ui.snapshot import take_snapshot
    from ui.watch import Watcher

    with opened(workspace) as store:
        name = study_of(store, study)
        alive = is_running(name, workspace)
        if follow and alive:
            ending, snapshot = Watcher(store, name, workspace, view_for(notices(), anew=True)).follow()
            return conclude(ending, snapshot, workspace, as_json=as_json)
        snapshot = take_snapshot(store, name, alive)
        if as_json:
            print_json(snapshot.to_json())
            return DONE
        results().print(panel(snapshot))
        if snapshot.predictions:
            results().print(f"\npredictions of the model: {snapshot.predictions.verdict}", markup=False, soft_wrap=True)
        if snapshot.study.message:
            results().print(f"\n{snapshot.study.state}: {snapshot.study.message}", markup=False, soft_wrap=True)
        if not alive and snapshot.study.state != "FINISHED":
            results().print(f"\nnot running; go on with 'neuramosaic resume {name}'", soft_wrap=True)
        return DONE


def _with_auto(llm: str | None, config: Path | None) -> str | None:
    """Return the provider that is meant.

    `auto` leaves it to a configuration that names one; else it is the local model if that can run here, else none, and
    it is said what it would need.
    """
    if llm != "auto":
        return llm
    from agents.llm.base import ProviderUnavailableError
    from agents.llm.local import check_local
    from neuramosaic.study import StudyConfig

    if config is not None and "llm" in StudyConfig.from_file(config).model_fields_set:
        return None
    try:
        check_local()
    except ProviderUnavailableError as error:
        say(f"no language model in this study: {error.problem}; to have one: {error.remedy}")
        return "none"
    return "local"
