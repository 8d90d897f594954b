"""The writer of components: from a card to code that is proved, within a budget.

The shallowest way that works is taken: the card's equations as they stand, read by rule; then a sketch by the language
model, shown the two nearest verified components; then a whole class. What fails is shown to the model with the check
that it failed; after a repair that did not help it starts afresh.
"""

from __future__ import annotations

import json
import keyword
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agents.bench import Bench
from agents.curator import Proof, check_addable, keep, prove
from agents.llm.base import MalformedError, ModelError, TruncatedError
from agents.llm.client import LanguageModel
from agents.writer.candidate import Candidate, from_code, from_equations, from_sketch, offending
from agents.writer.examples import Example, built_in_examples, nearest
from agents.writer.result import Failure, Written
from agents.writer.showing import contract, shown_blocks, shown_card, shown_functions, shown_lines
from neuramosaic.codegen.sketch import compile_sketch
from neuramosaic.codegen.sketch.compiler import class_name
from neuramosaic.components.card import Card
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import Provenance
from neuramosaic.errors import UsageError
from neuramosaic.store.records import ComponentRecord, WritingRecord, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import UNANSWERED, Writings
from prompts import load_prompt

#: Prompts of the writer: a card that failed is tried again when one of them changes.
PROMPTS = ("write_sketch", "repair_sketch", "write_component")
#: Folder of a workspace that holds the sources of written components, for people.
FOLDER = "components"
_TRANSCRIPT = "transcript.json"
#: Share of the attempts that are left for whole classes.
_CODE_SHARE = 0.15
_TEMPERATURES = (0.0, 0.0, 0.7, 0.7, 1.0)
"""Of the first fresh starts; the last one is that of all later ones."""
_REPAIR_TEMPERATURE = 0.6
_SKETCH_TOKENS, _CODE_TOKENS = 400, 1200
#: How often one sketch is repaired before a fresh start.
_REPAIRS = 1
#: Names that a component's class and its constructor need for themselves.
_RESERVED = frozenset(
    "self d_model block x torch nn math F Tensor T B D inner head_dim training forward None True False".split()
)
_REPEATED, _UNUSABLE = "repeated", "answer"
#: Characters of a token, about, where a limit is kept by what was sent and not by what a server says of it.
_CHARACTERS = 2.7


@dataclass(frozen=True)
class WriterLimits:
    """What one card may use.

    Attributes:
        attempts: Candidates that are looked at.
        tokens: Tokens in and out, about: counted by characters, so that a resumed run stops at the same place.
    """

    attempts: int = 24
    tokens: int = 40_000


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Lines(_Answer):
    """A sketch."""

    lines: Annotated[list[str], Field(min_length=1, max_length=24)]


class Code(_Answer):
    """A class."""

    code: Annotated[str, Field(min_length=1)]


@dataclass
class _Effort:
    """What the writing of one card has come to.

    Attributes:
        writing: Its record.
        card: The card.
        known: The components that exist.
        provenance: What a component of this writing is.
        examples: The nearest verified components, the nearest first.
        attempts: Candidates so far.
        characters: Of all that was shown and answered so far.
        failures: What they failed at, in order.
        tried: Texts of the candidates, so that none is proved twice.
        transcript: What was written, in order, and what it failed at.
    """

    writing: WritingRecord
    card: Card
    known: Catalogue
    provenance: Provenance
    examples: list[Example]
    attempts: int = 0
    characters: int = 0
    failures: list[Failure] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    transcript: list[dict[str, str]] = field(default_factory=list)


class ComponentWriter:
    """Has components written and proves them.

    Args:
        model: Who writes.
        bench: Where candidates are proved; started.
        store: The workspace's store.
        workspace: Its directory.
        limits: What one card may use.
        on_progress: Told how it goes, as a line for people; what it raises ends the writing, which stays OPEN.
    """

    def __init__(
        self,
        model: LanguageModel,
        bench: Bench,
        store: Store,
        workspace: Path,
        *,
        limits: WriterLimits | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._model, self._bench, self._store, self._workspace = model, bench, store, workspace
        self._limits = limits or WriterLimits()
        self._say = on_progress or (lambda _line: None)
        self._writings = Writings(store)

    def write(self, writing: WritingRecord, known: Catalogue, *, again: bool = False) -> Written:
        """Write the component of an OPEN writing and finish the writing: a function of card, catalogue and answers.

        A writing that was cut short is written from its beginning: the same is asked at the same places.

        Args:
            writing: An OPEN writing.
            known: The components that exist.
            again: Whether to try even if the same model with the same prompts has failed on this card.

        Raises:
            UsageError: If no component of the card's slot or name can be added; nothing is asked.
            BudgetSpentError: If a cap is reached; the writing is still OPEN.
            SandboxError: If the sandbox failed; the writing is still OPEN.
        """
        card = Card.from_yaml(writing.card)
        check_card(card)
        prompts = {name: load_prompt(name).version for name in PROMPTS}
        failed = None if again else self._writings.failed(card, self._model.provider.model, prompts)
        if failed is not None:
            self._say(f"{card.name}: failed before as writing {failed.id}, not asked again")
            done = replace(writing, model=failed.model, prompts=prompts, failures=failed.failures)
            self._writings.finish(replace(done, state=WritingState.FAILED))
            failures = tuple(Failure(item["check"], item["message"]) for item in failed.failures)
            return Written(card.name, False, 0, 0, 0.0, failures, writing=writing.id, remembered=True)
        began = time.perf_counter()
        provenance = Provenance.PAPER if writing.source == "paper" else Provenance.DESIGNED
        effort = _Effort(writing, card, known, provenance, nearest(card, built_in_examples()))
        found, proof = self._search(effort)
        component, file = None, None
        if found is not None and proof is not None and found.component is not None:
            component = keep(
                found.component,
                card,
                proof,
                self._store,
                self._workspace,
                origin=_origin(found, self._model.provider.model),
                provenance=provenance,
                writing=writing.id,
                files={_TRANSCRIPT: json.dumps(effort.transcript, indent=1) + "\n"},
            )
            file = component_file(self._workspace, component)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(found.component.source, encoding="utf-8")
        record = self._writings.finish(
            replace(
                writing,
                state=WritingState.VERIFIED if component else WritingState.FAILED,
                model=self._model.provider.model,
                prompts=prompts,
                depth=found.depth if found else None,
                version=component.version if component else None,
                commit=component.commit if component else None,
                attempts=effort.attempts,
                tokens=self._tokens(writing),
                seconds=time.perf_counter() - began,
                failures=tuple(failure.to_json() for failure in effort.failures),
            )
        )
        return Written(
            name=card.name,
            verified=component is not None,
            attempts=record.attempts,
            tokens=record.tokens,
            seconds=record.seconds,
            failures=tuple(effort.failures),
            depth=record.depth,
            component=component,
            file=file,
            writing=writing.id,
        )

    # -- the ways to a component, the shallowest first -----------------------------------------------------------------

    def _search(self, effort: _Effort) -> tuple[Candidate | None, Proof | None]:
        """Try candidates until one is proved or the budget is used up."""
        draft = from_equations(effort.card, effort.provenance)
        if draft is not None:
            proof = self._try(draft, effort)
            if proof is not None:
                return draft, proof
        sketches = max(1, round(self._limits.attempts * (1 - _CODE_SHARE)))
        fresh = 0
        try:
            while self._may_ask(effort):
                as_code = effort.attempts >= sketches
                fresh += 1
                try:
                    found = [self._code(effort)] if as_code else self._sketches(effort, fresh - 1, draft)
                    candidate, proof = self._first_proved(found, effort)
                    repeated = proof is None and effort.failures[-1].check == _REPEATED
                    repairs = 0 if as_code or repeated else _REPAIRS
                    while proof is None and repairs and self._may_ask(effort):
                        candidate, repairs = self._repaired(candidate, effort), repairs - 1
                        proof = self._try(candidate, effort)
                except (MalformedError, TruncatedError) as error:  # an answer, but none that can be used
                    effort.attempts += 1
                    effort.failures.append(Failure(_UNUSABLE, str(error)))
                    self._say(f"{effort.card.name}: attempt {effort.attempts} failed {_UNUSABLE}: {error}")
                    continue
                if proof is not None:
                    return candidate, proof
        except ModelError as error:
            effort.failures.append(Failure(UNANSWERED, str(error)))
        return None, None

    def _first_proved(self, candidates: Sequence[Candidate], effort: _Effort) -> tuple[Candidate, Proof | None]:
        """Return the first candidate that is proved, with its proof; else the one that is worth a repair, tried last.

        Those that make no component cost nothing to refuse and come first, so that what is repaired is one that got
        into the sandbox, if any did.
        """
        for candidate in sorted(candidates, key=lambda item: item.failure is None):
            proof = self._try(candidate, effort)
            if proof is not None:
                break
        return candidate, proof

    def _sketches(self, effort: _Effort, fresh: int, draft: Candidate | None) -> list[Candidate]:
        """Ask for sketches, as many at once as the provider has slots, so that they share the prompt and the wait.

        Every other time the equations read by rule are shown as a first draft.
        """
        shown = ""
        if draft is not None and draft.failure is not None and fresh % 2 == 1:
            shown = f"A first draft, which fails:\n{shown_lines(draft.text)}\n{draft.failure.message}"
        variables = {**self._shown(effort), "draft": shown}
        _count_prompt(effort, "write_sketch", variables)
        samples = min(self._model.provider.slots, self._limits.attempts - effort.attempts)
        answers = self._model.ask_many(
            "write_sketch",
            variables,
            Lines,
            purpose="write a component",
            samples=samples,
            trial=effort.writing.id,
            occurrence=fresh,
            # Several at the temperature of the first would all be the same.
            temperature=_TEMPERATURES[-1 if samples > 1 else min(fresh, len(_TEMPERATURES) - 1)],
            max_tokens=_SKETCH_TOKENS,
        )
        effort.characters += sum(len(answer.model_dump_json()) for answer in answers)
        candidates = [_read(answer, effort) for answer in answers]
        return list({candidate.text: candidate for candidate in candidates}.values())  # each once

    def _repaired(self, candidate: Candidate, effort: _Effort) -> Candidate:
        last = effort.failures[-1]
        where = offending(candidate, last.message)
        failure = f"{last.check}: {last.message}" + (f" (in: {where})" if where else "")
        variables = {**self._shown(effort), "lines": shown_lines(candidate.text), "failure": failure}
        _count_prompt(effort, "repair_sketch", variables)
        answer = self._model.ask(
            "repair_sketch",
            variables,
            Lines,
            purpose="repair a component",
            trial=effort.writing.id,
            occurrence=effort.attempts,
            temperature=_REPAIR_TEMPERATURE,
            max_tokens=_SKETCH_TOKENS,
        )
        effort.characters += len(answer.model_dump_json())
        return _read(answer, effort)

    def _code(self, effort: _Effort) -> Candidate:
        example = effort.examples[0]
        seen = dict.fromkeys(f"- {failure.check}: {failure.message}" for failure in effort.failures[-6:])
        variables = {
            "contract": contract(effort.card),
            "blocks": shown_blocks(),
            "example_card": shown_card(example.card),
            "example_code": json.dumps({"code": compile_sketch(example.sketch, example.card)}),
            "card": shown_card(effort.card),
            "class_name": class_name(effort.card),
            "failures": "\n".join(list(seen)[-2:]),
        }
        _count_prompt(effort, "write_component", variables)
        answer = self._model.ask(
            "write_component",
            variables,
            Code,
            purpose="write a component",
            trial=effort.writing.id,
            occurrence=effort.attempts,
            temperature=_TEMPERATURES[-1],
            max_tokens=_CODE_TOKENS,
        )
        effort.characters += len(answer.model_dump_json())
        return from_code(answer.code, effort.card, effort.provenance)

    def _shown(self, effort: _Effort) -> dict[str, str]:
        second, first = effort.examples[:2]
        return {
            "functions": shown_functions(),
            "first_card": shown_card(first.card),
            "first_lines": shown_lines(first.sketch),
            "second_card": shown_card(second.card),
            "second_lines": shown_lines(second.sketch),
            "card": shown_card(effort.card),
        }

    # -- the budget, and the proof -------------------------------------------------------------------------------------

    def _tokens(self, writing: WritingRecord) -> int:
        """Return the tokens that the writing used, as the server counted them: without those of its card."""
        used = self._model.used(writing.id, PROMPTS)
        return used.tokens_in + used.tokens_out

    def _may_ask(self, effort: _Effort) -> bool:
        """Whether the budget allows another candidate, by what was shown and answered: the same in a resumed run."""
        return effort.attempts < self._limits.attempts and effort.characters / _CHARACTERS < self._limits.tokens

    def _try(self, candidate: Candidate, effort: _Effort) -> Proof | None:
        """Prove a candidate, unless its text shows that it is none; return the proof if it passed."""
        effort.attempts += 1
        failure, proof = candidate.failure, None
        if candidate.text in effort.tried:
            failure = Failure(_REPEATED, "the same was written before; write it in another way")
        elif failure is None and candidate.component is not None:
            proof = prove(candidate.component, effort.card, self._bench, effort.known)
            if not proof.passed:
                check = next(item for item in reversed(proof.verdict.checks) if not item["passed"])
                failure = Failure(str(check["name"]), str(check["message"]))
        effort.tried.add(candidate.text)
        told = failure.to_json() if failure else {}
        effort.transcript.append({"depth": candidate.depth, "written": candidate.text, **told})
        where = f"{effort.card.name}: attempt {effort.attempts} ({candidate.depth})"
        if failure is None:
            self._say(f"{where} verified")
            return proof
        effort.failures.append(failure)
        self._say(f"{where} failed {failure.check}: {failure.message}")
        return None


def _read(answer: Lines, effort: _Effort) -> Candidate:
    return from_sketch("\n".join(answer.lines), effort.card, "sketch", effort.provenance)


def _count_prompt(effort: _Effort, prompt: str, variables: Mapping[str, str]) -> None:
    """Count the characters of a prompt, whatever is answered."""
    effort.characters += sum(len(text) for _, text in load_prompt(prompt).render(variables))


def _origin(found: Candidate, model: str) -> str:
    """Return in words who wrote a component: of one whose equations were read by rule, no model did."""
    if found.depth == "equations":
        return "the equations of its card, read by rule"
    return f"written by {model} from its card ({found.depth})"


def check_card(card: Card) -> None:
    """Check that a component of a card can be added once it is written.

    Raises:
        UsageError: If its slot is none that can be proved, its name is one of the catalogue's own, or a name on it
            would hide what the class needs.
    """
    taken = next(
        (item.name for item in card.hyperparameters if item.name in _RESERVED or keyword.iskeyword(item.name)), None
    )
    if taken is not None:
        raise UsageError(f"card {card.name!r}: no hyper-parameter may be called {taken!r}: call it otherwise")
    if class_name(card) in _RESERVED or keyword.iskeyword(class_name(card)):
        raise UsageError(
            f"card {card.name!r}: its class would be called {class_name(card)}, which hides another: rename it"
        )
    check_addable(card.spec("", class_name(card), provenance=Provenance.DESIGNED))


def component_file(workspace: Path, component: ComponentRecord) -> Path:
    """Return the file of a workspace in which people find a written component; git holds it too."""
    return workspace / FOLDER / component.slot / f"{component.name}.py"
