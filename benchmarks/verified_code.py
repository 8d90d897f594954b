"""How often code that a language model writes from a card is verified: asked for directly, and with our writer.

    python benchmarks/verified_code.py --llm local
    python benchmarks/verified_code.py --llm local --cards 'g*' --direct --tokens 10000 --json out.json
    python benchmarks/verified_code.py --llm local --set held_out

Both arms have the same model, the same cards (benchmarks/cards, or those held out from it), the same budget of tokens
per card, and the same proof in the sandbox. What is finished is kept in a workspace, card by card, and not done again.
benchmarks/README.md says what this measures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.bench import Bench
from agents.llm.base import Provider, UnreachableError
from agents.llm.client import LanguageModel
from agents.llm.providers import ProviderChoice, create_provider
from benchmarks.verified_code_arms import PROMPT, Arm, Direct, Ours
from benchmarks.verified_code_table import ARMS, GRADES, report, summary
from neuramosaic.components.card import Card
from neuramosaic.components.registry import catalogue
from neuramosaic.errors import NeuraMosaicError, UsageError
from neuramosaic.seeds import stream
from neuramosaic.store.ledger import Ledger
from neuramosaic.store.store import Store
from neuramosaic.store.writings import card_id
from prompts import load_prompt

CARDS = Path(__file__).parent / "cards"
#: The sets of cards; no name is in two of them. What is held out is for figures only, nothing is tuned on it.
SETS = {"cards": CARDS, "held_out": CARDS / "held_out", "held_out_2": CARDS / "held_out_2"}
#: The writer's own budget per card.
TOKENS = 40_000
#: What llama.cpp's server counts, by our name for it; a prompt's tokens without those that its cache held.
METRICS = {
    "prompt_tokens": "llamacpp:prompt_tokens_total",
    "cached_tokens": "llamacpp:prompt_tokens_cached_total",
    "prompt_seconds": "llamacpp:prompt_seconds_total",
    "answer_tokens": "llamacpp:tokens_predicted_total",
    "answer_seconds": "llamacpp:tokens_predicted_seconds_total",
}
_GRADE = re.compile(r"# Grade: (\w+)")


@dataclass(frozen=True)
class GradedCard:
    """A card of the benchmark.

    Attributes:
        card: What is to be written.
        grade: How hard it was judged to be before any run: easy, medium or hard.
    """

    card: Card
    grade: str


def read_cards(pattern: str, chosen: str = "cards") -> list[GradedCard]:
    """Return the cards of a set whose names match a glob pattern, by name.

    Args:
        pattern: The glob pattern.
        chosen: The set, one of `SETS`.

    Raises:
        UsageError: If there is none, or one has no grade on its first line.
    """
    cards, folder = [], SETS[chosen]
    for path in sorted(folder.glob(f"{pattern}.yaml")):
        found = _GRADE.match(path.read_text(encoding="utf-8"))
        if found is None or found[1] not in GRADES:
            raise UsageError(f"{path}: its first line has to be '# Grade: G' with G among {', '.join(GRADES)}")
        cards.append(GradedCard(Card.from_file(path), found[1]))
    if not cards:
        raise UsageError(f"--cards: no card matches {pattern!r}; there are {', '.join(_names(folder))}")
    return cards


class Results:
    """The results of the cards that are finished: one file each, under a workspace.

    Args:
        workspace: Its directory.
        settings: What a result depends on besides its card; results of other settings are refused.
    """

    def __init__(self, workspace: Path, settings: dict[str, Any]) -> None:
        self._folder, self._settings = workspace / "results", settings
        self._folder.mkdir(parents=True, exist_ok=True)

    def find(self, arm: str, card: Card) -> dict[str, Any] | None:
        """Return the result of a card, or None if it is not finished.

        Raises:
            UsageError: If it is of another version of the card, or of other settings.
        """
        path = self._path(arm, card)
        if not path.exists():
            return None
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (result["card_id"], result["settings"]) != (card_id(card), self._settings):
            raise UsageError(f"{path} is of another model, budget, prompt or card: name another --workspace")
        return result

    def add(self, arm: str, graded: GradedCard, outcome: dict[str, Any], speed: dict[str, float] | None) -> None:
        """Keep what came of a card."""
        card = graded.card
        known = {"card": card.name, "slot": str(card.slot), "grade": graded.grade, "arm": arm}
        result = {**known, **outcome, "speed": speed, "card_id": card_id(card), "settings": self._settings}
        path = self._path(arm, card)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)

    def _path(self, arm: str, card: Card) -> Path:
        return self._folder / f"{arm}-{card.name}.json"


class Meter:
    """What the server of a local model has counted; nothing of another provider.

    Args:
        provider: Whose server.
    """

    def __init__(self, provider: Provider) -> None:
        self._address: str | None = getattr(provider, "address", None)

    def read(self) -> dict[str, float] | None:
        """Return the counts since its start, by the names of `METRICS`.

        Raises:
            UnreachableError: If the server is gone, so that a card which it did not answer is not taken for finished.
        """
        if self._address is None:
            return None
        try:
            with urllib.request.urlopen(f"{self._address}/metrics", timeout=60) as response:
                lines = [line.split() for line in response.read().decode().splitlines() if not line.startswith("#")]
        except OSError as error:
            raise UnreachableError(f"the server of the local model has ended: {error}") from error
        counts = {line[0]: float(line[1]) for line in lines if len(line) == 2}
        return {name: counts[metric] for name, metric in METRICS.items()}

    def since(self, before: dict[str, float] | None) -> dict[str, float] | None:
        """Return what was counted since an earlier reading."""
        now = self.read()
        return None if now is None or before is None else {name: now[name] - before[name] for name in now}


def measure(arms: Sequence[Arm], cards: Sequence[GradedCard], results: Results, meter: Meter) -> None:
    """Have every card written by every arm, those that are finished apart; a line for each on stderr."""
    total, done = len(arms) * len(cards), 0
    for graded in cards:
        for arm in arms:
            done += 1
            if results.find(arm.name, graded.card) is not None:
                continue
            before = meter.read()
            outcome = arm.write(graded.card)
            results.add(arm.name, graded, outcome.to_json(), meter.since(before))
            verdict = "verified" if outcome.verified else "not verified"
            say(
                f"[{done}/{total}] {graded.card.name} {arm.name}: {verdict}, {outcome.attempts} candidates, "
                f"{outcome.tokens:,} tokens, {outcome.seconds:.0f} s"
            )


def say(line: str) -> None:
    """Tell a person how it goes on."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, and print the tables of what is finished.

    Returns:
        The exit status: 0 done, 1 a model or a sandbox failed, 2 wrong usage, 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except NeuraMosaicError as error:
        say(f"error: {error}")
        return 2 if isinstance(error, UsageError) else 1


def _run(options: argparse.Namespace) -> int:
    cards = read_cards(options.cards, options.set)
    chosen = [arm for arm in ARMS if arm in (options.arms or ARMS)]
    options.workspace.mkdir(parents=True, exist_ok=True)
    status = 0
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(options.workspace))
        choice = ProviderChoice(options.llm, model=options.model, url=options.base_url, gguf=options.gguf)
        provider = stack.enter_context(closing(create_provider(choice, Ledger(store), on_progress=say)))
        settings = {"model": provider.model, "tokens": options.tokens, "prompt": load_prompt(PROMPT).version}
        results = Results(options.workspace, settings)
        bench = stack.enter_context(Bench(options.sandbox))
        try:
            measure(_arms(chosen, provider, store, bench, options), cards, results, Meter(provider))
        except KeyboardInterrupt:
            say("interrupted: what is finished is kept, and the same command goes on with the rest")
            status = 130
    finished = [found for graded in cards for arm in chosen if (found := results.find(arm, graded.card)) is not None]
    if finished:
        print(report(finished))
    if options.json is not None:
        machine = {
            "processor": platform.machine(),
            "cpus": len(os.sched_getaffinity(0)),
            "python": sys.version.split()[0],
        }
        document = {
            "set": options.set,
            "settings": settings,
            "machine": machine,
            "summary": summary(finished),
            "results": finished,
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return status


def _arms(
    names: Sequence[str], provider: Provider, store: Store, bench: Bench, options: argparse.Namespace
) -> list[Arm]:
    arms: list[Arm] = []
    for name in names:
        # A client each: an answer that is corrected in conversation is no independent sample.
        attempts = {"attempts": 1} if name == "direct" else {}
        model = LanguageModel(provider, Ledger(store), rng=stream(0, "benchmark", name), **attempts)
        if name == "direct":
            arms.append(Direct(model, store, bench, catalogue(), tokens=options.tokens))
        else:
            arms.append(
                Ours(
                    model,
                    store,
                    bench,
                    catalogue(),
                    workspace=options.workspace,
                    tokens=options.tokens,
                    on_progress=say,
                )
            )
    return arms


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a positive number, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", choices=("local", "openai"), required=True, help="who writes")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="local: the model's file")
    parser.add_argument("--model", metavar="MODEL", help="openai: the model, as the server calls it")
    parser.add_argument("--base-url", metavar="URL", help="openai: an OpenAI-compatible server, with its /v1")
    parser.add_argument("--set", choices=tuple(SETS), default="cards", help="which set of cards (default: cards)")
    parser.add_argument("--cards", default="*", metavar="GLOB", help="names of the cards of the set (default: all)")
    which = parser.add_mutually_exclusive_group()
    for arm in ARMS:
        which.add_argument(f"--{arm}", dest="arms", action="store_const", const=(arm,), help=f"{arm} only")
    which.add_argument("--both", dest="arms", action="store_const", const=ARMS, help="both (the default)")
    parser.add_argument(
        "--tokens",
        type=_positive,
        default=TOKENS,
        metavar="N",
        help=f"tokens in and out, per card and arm ({TOKENS:,})",
    )
    parser.add_argument(
        "--sandbox", default="auto", metavar="BACKEND", help="where code is proved: auto, docker, bubblewrap, process"
    )
    parser.add_argument(
        "--workspace", type=Path, default=Path("workspace-verified-code"), metavar="DIR", help="keeps the results"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
