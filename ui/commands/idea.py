"""idea: words -> card -> verified component -> compared with the baseline; component try: only the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from neuramosaic.errors import UnknownNameError
from ui.commands.component import SlotName
from ui.failures import FAILED, complain
from ui.options import (
    DEFAULT_WORKSPACE,
    LLM_PANEL,
    AsJson,
    BaseUrl,
    MaxLlmTokens,
    MaxUsd,
    ModelFile,
    ModelName,
    SandboxName,
    Workers,
    Workspace,
)
from ui.output import notices, print_json, results, say

if TYPE_CHECKING:  # imported where it is used, so that --help is quick
    from agents.llm.providers import ProviderChoice
    from agents.writer.result import Written
    from graph.idea import Caps, Ideas
    from neuramosaic.store.records import WritingRecord
    from neuramosaic.store.store import Store
    from neuramosaic.study import StudyConfig

app = typer.Typer(rich_markup_mode="rich")

#: Who can be asked: a replay has no model.
PROVIDERS = ("local", "openai")

TaskName = Annotated[str, typer.Option("--task", "-t", metavar="TASK", help="python-code, recall, text:FILE ...")]
Params = Annotated[
    str | None, typer.Option("--params", metavar="COUNT", help="Parameters of every model, such as 300k.")
]
Tokens = Annotated[
    str | None, typer.Option("--tokens", metavar="COUNT", help="Training tokens of every model; by default 590k.")
]
Seeds = Annotated[
    int, typer.Option("--seeds", metavar="N", min=2, max=64, help="How often the two are trained, each with its seed.")
]
Again = Annotated[bool, typer.Option("--again", help="Start anew, whatever the workspace holds of it.")]


@app.command("idea", rich_help_panel="Studies")
def idea(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The idea, in a sentence.")],
    task: TaskName = "python-code",
    params: Params = None,
    tokens: Tokens = None,
    seeds: Seeds = 3,
    slot: SlotName = None,
    sandbox: SandboxName = None,
    workers: Workers = None,
    llm: Annotated[
        str, typer.Option("--llm", metavar="local|openai", help="Who writes.", rich_help_panel=LLM_PANEL)
    ] = "local",
    model: ModelName = None,
    base_url: BaseUrl = None,
    gguf: ModelFile = None,
    max_usd: MaxUsd = None,
    max_llm_tokens: MaxLlmTokens = None,
    again: Again = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Turn a sentence into a component, and compare it with the baseline: same parameters and tokens, several seeds.

    A language model makes a card of the sentence and writes the code, which is verified in the sandbox and kept. The
    same words find the card, the component and the trained models again. Exit status 1 if it cannot be verified.

    Examples:
      neuramosaic idea "attention whose keys are sharpened by a learned power"
      neuramosaic idea "an MLP whose hidden units compete in pairs" --task text:notes.txt --tokens 1M --seeds 5
    """
    from agents.llm.providers import ProviderChoice
    from graph.idea import Caps, Ideas
    from graph.plan import plan_study
    from neuramosaic.components.card import Card
    from neuramosaic.store.components import workspace_catalogue
    from neuramosaic.store.store import Store
    from neuramosaic.study import parse_count
    from ui.comparing import compare, conclude_comparison, nothing_compared

    if llm not in PROVIDERS:
        raise UnknownNameError("language model", llm, PROVIDERS)
    choice = ProviderChoice(llm, model=model, url=base_url, gguf=gguf)
    caps = Caps(parse_count(max_llm_tokens) if max_llm_tokens else None, max_usd)
    _warn(sandbox)
    with Store.open(workspace) as store:
        # Whatever is wrong with the comparison shows before anybody is paid.
        plan_study(_config(None, task, params, tokens, seeds, sandbox, workers), workspace, workspace_catalogue(store))
        ideas = Ideas(store, workspace)
        written, writing = _component(ideas, store, text, slot, choice, caps, sandbox, again=again, as_json=as_json)
        card = Card.from_yaml(writing.card)
        document: dict[str, Any] = {
            "card": card.model_dump(mode="json", exclude_defaults=True),
            "component": None,
            "verified": written.verified,
            "writing": written.to_json(),
        }
        if written.component is None:
            sentence = _why_not(written)
            if as_json:
                print_json({**document, **nothing_compared(sentence)})
            complain(sentence)
            return FAILED
        config = _config((str(card.slot), card.name), task, params, tokens, seeds, sandbox, workers)
        compared = compare(store, config, workspace, component=written.component, again=again)
        document["component"] = {
            "slot": str(card.slot),
            "name": card.name,
            "version": written.component.version,
            "file": str(written.file) if written.file else None,
        }
        if as_json:
            print_json({**document, **compared.to_json()})
        return conclude_comparison(compared, card.name, workspace, quiet=as_json)


def compare_component(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A component, such as min_gru.")],
    slot: SlotName = None,
    task: TaskName = "python-code",
    params: Params = None,
    tokens: Tokens = None,
    seeds: Seeds = 3,
    sandbox: SandboxName = None,
    workers: Workers = None,
    again: Again = False,
    as_json: AsJson = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> int:
    """Compare a component with what the baseline has in its place: same parameters and tokens, several seeds.

    Examples:
      neuramosaic component try min_gru
      neuramosaic component try my_mixer --tokens 1M --seeds 5
    """
    from neuramosaic.store.components import known_components
    from neuramosaic.store.store import Store
    from ui.comparing import compare, conclude_comparison

    known, added = known_components(workspace)
    spec = known.find(name, slot)
    config = _config((str(spec.slot), spec.name), task, params, tokens, seeds, sandbox, workers)
    _warn(sandbox)
    with Store.open(workspace) as store:
        compared = compare(store, config, workspace, component=added.get((spec.slot, spec.name)), again=again)
        if as_json:
            print_json({"slot": str(spec.slot), "component": spec.name, **compared.to_json()})
        return conclude_comparison(compared, spec.name, workspace, quiet=as_json)


def _config(
    component: tuple[str, str] | None,
    task: str,
    params: str | None,
    tokens: str | None,
    seeds: int,
    sandbox: str | None,
    workers: int | None,
) -> StudyConfig:
    """Return the study of a comparison; without a component, one with the same task and models."""
    from neuramosaic.study import StudyConfig

    usual = StudyConfig()
    given: dict[str, Any] = {"params": params, "tokens": tokens, "sandbox": sandbox, "workers": workers}
    options = {name: value for name, value in given.items() if value is not None}
    options.setdefault("tokens", usual.fidelity(usual.rungs - 1))  # what a study's best are trained for
    if component is not None:
        slot, name = component
        options["comparison"] = {"component": {"slot": slot, "name": name}, "seeds": tuple(range(seeds))}
    return StudyConfig.from_mapping({"task": task, **options})


def _component(
    ideas: Ideas,
    store: Store,
    text: str,
    slot: str | None,
    choice: ProviderChoice,
    caps: Caps,
    sandbox: str | None,
    *,
    again: bool,
    as_json: bool,
) -> tuple[Written, WritingRecord]:
    """Return the component of an idea, or what became of it, and the writing with its card."""
    from graph.idea import asked

    writing = None if again else ideas.find(text, slot)
    if writing is not None and (known := ideas.recall(writing)) is not None:
        say("the workspace has this idea: --again starts anew")
        _print_card(writing, as_json)
        _print_component(known, as_json)
        return known, writing
    with (
        notices().status("starting the language model ...") as spinner,
        asked(choice, store, caps, spinner.update) as it,
    ):
        if writing is None:
            spinner.update(Text(f"making a card with {it.provider.model} ..."))
            writing = ideas.make_card(text, it, slot)
        spinner.stop()
        _print_card(writing, as_json)
        say(f"writing {writing.slot} {writing.name} with {it.provider.model}")
        written = ideas.write(writing, it, backend=sandbox or "auto", again=again, on_progress=say)
    _print_component(written, as_json)
    return written, writing


def _print_card(writing: WritingRecord, as_json: bool) -> None:
    if not as_json:
        results().print(Text("card", "bold"))
        results().print(writing.card, markup=False, soft_wrap=True)
        _say_how(writing)


def _say_how(writing: WritingRecord) -> None:
    """Say how a card came about, and what of its idea was not understood; cards of before do not tell."""
    told = writing.proposal
    if "edits" in told:
        say(f"it is {told['start']}, but {' and '.join(told['edits'])}")
    elif told.get("problem"):
        say(f"its equations could not be read: {told['problem']}; what is written may not be what you mean", "yellow")
    elif "way" in told:
        say(f"its equations are new; they started from those of {told['start']}")


def _print_component(written: Written, as_json: bool) -> None:
    if as_json:
        return
    if written.verified:
        effort = f"{written.attempts} attempts, {written.tokens:,} tokens, {written.seconds:.0f} s"
        line = Text("verified", "bold green").append(f" {written.name} ({effort})", "default")
        results().print(line.append(f": {written.file}" if written.file else ""), soft_wrap=True)
    else:
        results().print(Text("not verified", "bold red").append(f" {written.name}; what failed:", "default"))
        for failure in written.failures:
            results().print(f"  {failure.check}: {failure.message}", markup=False, soft_wrap=True)


def _why_not(written: Written) -> str:
    last = f": {written.failures[-1].check}: {written.failures[-1].message}" if written.failures else ""
    known = "; it is known from an earlier try, --again tries anew" if written.remembered else ""
    return f"{written.name} could not be verified in {written.attempts} attempts{last}{known}"


def _warn(sandbox: str | None) -> None:
    from sandbox.process import WARNING

    if sandbox == "process":
        say(WARNING, "yellow")
