"""What the store returns: small frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class StudyState(StrEnum):
    """Where a study stands."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


class TrialState(StrEnum):
    """Where a trial stands. The last three are final."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"

    @property
    def finished(self) -> bool:
        """Whether the trial can no longer change."""
        return self in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED)


@dataclass(frozen=True)
class StudyRecord:
    """A study.

    Attributes:
        id: Such as "python-code-1".
        state: Where it stands.
        config: The study configuration as JSON.
        task: What is known of the task's data: vocab_size, sequence_length, corpus, metric unit, facts.
        space_version: Content id of the space's definition.
        created: UTC, ISO 8601.
        updated: UTC, ISO 8601.
        pid: Process that runs it, or None.
        message: Why it FAILED or STOPPED, for people.
        components: The components that were added to the workspace and that its space has: slot, name, version.
    """

    id: str
    state: StudyState
    config: Mapping[str, Any]
    task: Mapping[str, Any]
    space_version: str
    created: str
    updated: str
    pid: int | None = None
    message: str = ""
    components: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class ComponentRecord:
    """A component that was added to the workspace. A version never changes.

    Attributes:
        slot: Such as "mixer".
        name: Unique within its slot.
        version: 12 hex digits of the content of source and card.
        class_name: Its class.
        uses_position: Whether the class takes `position=`.
        rule: How many parameters it has: a `ParameterRule` as JSON.
        checks: The ladder that it passed with its defaults: `[{"name", "passed", "message", "seconds"}]`.
        commit: Git commit of its source and card in the workspace's `code/`.
        origin: Where it came from, for people.
        created: UTC, ISO 8601; empty before it is stored.
        provenance: "own" (a person's file), "designed" (a language model wrote it) or "paper".
        writing: The writing that it came from, or None if a person wrote it.
    """

    slot: str
    name: str
    version: str
    class_name: str
    uses_position: bool
    rule: Mapping[str, Any]
    checks: tuple[Mapping[str, Any], ...]
    commit: str
    origin: str
    created: str = ""
    provenance: str = "own"
    writing: str | None = None


class WritingState(StrEnum):
    """Where the writing of a component stands. The last two are final."""

    OPEN = "OPEN"
    VERIFIED = "VERIFIED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class WritingRecord:
    """A component that a language model was asked to write from a card.

    Attributes:
        id: `STUDY.cN` within a study, else `cN`.
        source: Where the card came from: llm, person, idea or paper.
        card: The card as YAML.
        card_id: Content id of the card.
        slot: The card's slot.
        name: The card's name.
        state: Where it stands.
        study: The study that asked for it, or None.
        number: From 0 within its study, or among those outside any study.
        after: How many trials of the study had finished when it was asked for.
        proposal: What its proposer said of it, such as `why` and `predicted_loss`.
        model: Who wrote; empty while OPEN.
        prompts: Version of each prompt that was used, by name.
        depth: How it was written: equations (the card's own, read by rule), sketch (its forward pass, by the model)
            or code (its class, by the model); None unless VERIFIED.
        version: Version of the component; None unless VERIFIED.
        commit: Git commit of card, code and transcript in the workspace's `code/`, or None.
        attempts: Candidates that were checked.
        tokens: Tokens in and out of all calls.
        seconds: Wall time.
        failures: `check` and `message` of each candidate that failed, in order.
        created: UTC, ISO 8601.
        finished: UTC, ISO 8601, or None while OPEN.
    """

    id: str
    source: str
    card: str
    card_id: str
    slot: str
    name: str
    state: WritingState
    study: str | None = None
    number: int = 0
    after: int = 0
    proposal: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    depth: str | None = None
    version: str | None = None
    commit: str | None = None
    attempts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    failures: tuple[Mapping[str, str], ...] = ()
    created: str = ""
    finished: str | None = None


@dataclass(frozen=True)
class TrialOutcome:
    """What a trial is told when it ends. The only way to finish one.

    Attributes:
        state: COMPLETE, PRUNED or FAILED.
        metrics: `val_loss` (nats per token, minimised), `val_bits_per_byte`, `val_perplexity`, `train_loss` ...; empty
            unless COMPLETE. All finite.
        reason: Why it FAILED or was PRUNED; empty if COMPLETE.
        seconds: Wall time.
        cost_flops: Floating-point operations of its training.
        peak_memory_bytes: Peak resident (or device) memory.
        params: Parameters as counted in the sandbox.
        verification: The ladder, then the audit of the trained model: `[{"name", "passed", "message", "seconds"}]`.
        environment: Backend, image, versions, hardware, threads: what a reproduction needs to know.
        function: Fingerprint of what the freshly initialised model computes, or None; see
            `neuramosaic.verify.fingerprint`.
        duplicate_of: The trial whose model computes the same function, if it was PRUNED for that.
    """

    state: TrialState
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    cost_flops: float | None = None
    peak_memory_bytes: int | None = None
    params: int | None = None
    verification: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    function: str | None = None
    duplicate_of: str | None = None


@dataclass(frozen=True)
class TrialRecord:
    """A trial: one evaluation of one architecture at one fidelity with one seed.

    Attributes:
        id: `STUDY.NUMBER`, such as "python-code-1.12".
        study: Id of its study.
        number: From 0, in the order proposed.
        state: Where it stands.
        architecture: Canonical JSON object of the architecture.
        architecture_id: Its content id.
        source: Who proposed it: baseline, random, bayes, evolution, llm ...; "promotion" never: a promoted trial keeps
            the source of its parent.
        label: Short name for people.
        components: `slot:name` of each component.
        params: Parameters: as solved, then as counted in the sandbox.
        seed: Of data order and initialisation.
        rung: Index of the fidelity level.
        fidelity_tokens: Tokens of training.
        parent: Trial that this one continues from (promotion), or None.
        corpus: Content hash of the task's data.
        commit: Git commit of its model.py in the workspace's `code/`, or None before it is written.
        created, started, finished: UTC, ISO 8601, or None.
        attempts: How often it was started.
        asked: How many points the sampler had been asked for up to this trial; a resumed search goes on there.
        finish_order: 1 for the first trial of the study that finished, and so on; None while it is not finished.
        outcome: What it was told, or None while it is not finished.
        space_version: The version of the study's space that it was proposed in; empty in studies of older schemas.
        after: How many trials of the study had finished when it was proposed: the order of events, to be repeated.
        proposal: What its proposer said of it, such as `why` and `predicted_loss` (nats per token).
    """

    id: str
    study: str
    number: int
    state: TrialState
    architecture: Mapping[str, Any]
    architecture_id: str
    source: str
    label: str
    components: tuple[str, ...]
    params: int
    seed: int
    rung: int
    fidelity_tokens: int
    parent: str | None
    corpus: str
    commit: str | None
    created: str
    started: str | None
    finished: str | None
    attempts: int
    asked: int = 0
    finish_order: int | None = None
    outcome: TrialOutcome | None = None
    space_version: str = ""
    after: int = 0
    proposal: Mapping[str, Any] = field(default_factory=dict)

    @property
    def val_loss(self) -> float | None:
        """Validation loss in nats per token, minimised; None unless COMPLETE."""
        if self.outcome is None or self.state is not TrialState.COMPLETE:
            return None
        return self.outcome.metrics.get("val_loss")

    def to_json(self) -> dict[str, Any]:
        """Return the trial as programs may rely on it (`trials --json`)."""
        outcome = self.outcome or TrialOutcome(self.state)
        return {
            "trial": self.id,
            "study": self.study,
            "number": self.number,
            "state": str(self.state),
            "architecture": self.architecture_id,
            "label": self.label,
            "source": self.source,
            "components": [name.split(":", 1)[1] for name in self.components],
            "params": self.params,
            "seed": self.seed,
            "rung": self.rung,
            "fidelity_tokens": self.fidelity_tokens,
            "parent": self.parent,
            "metrics": dict(outcome.metrics) if self.state is TrialState.COMPLETE else None,
            "reason": outcome.reason or None,
            "seconds": outcome.seconds if self.outcome else None,
            "cost_flops": outcome.cost_flops,
            "peak_memory_bytes": outcome.peak_memory_bytes,
            "commit": self.commit,
            "corpus": self.corpus,
        }


@dataclass(frozen=True)
class Event:
    """One line of a study's journal.

    Attributes:
        id: Rises with time.
        study: Its study.
        time: UTC, ISO 8601.
        agent: literature, designer, coder, runner, analyst, session ...
        kind: Short word: proposed, coded, started, finished, promoted, fitted, command ...
        message: One line for people.
        trial: The trial it is about, or None.
        data: Small JSON.
    """

    id: int
    study: str
    time: str
    agent: str
    kind: str
    message: str
    trial: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A request to a running study.

    Attributes:
        id: Rises with time.
        study: Its study.
        kind: "stop" ...
        payload: Small JSON.
        created: UTC, ISO 8601.
    """

    id: int
    study: str
    kind: str
    payload: Mapping[str, Any]
    created: str
