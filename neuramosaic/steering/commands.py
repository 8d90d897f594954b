"""What a person may ask of a running study: one strict record per kind, told apart by `kind`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from neuramosaic.components.spec import Slot
from neuramosaic.errors import InvalidValueError, UnknownNameError
from neuramosaic.study import parse_count

#: A proposal at the favoured end of a dimension is so many times as likely as one at the other end.
DEFAULT_WEIGHT = 8.0
#: What `favour` takes in the place of a value to end a preference.
NEUTRAL = "neutral"
LOW, HIGH = "low", "high"
LONGEST_TEXT = 2000

Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Command):
    """A component by its slot and name; "none" stands for no modulator."""

    slot: Slot
    name: Annotated[str, Field(min_length=1)]

    def __str__(self) -> str:
        return f"{self.slot}={self.name}"


Parts = Annotated[tuple[Part, ...], Field(min_length=1)]


class Veto(_Command):
    """No new proposal has one of these components."""

    kind: Literal["veto"] = "veto"
    parts: Parts


class Allow(_Command):
    """These components may be proposed again."""

    kind: Literal["allow"] = "allow"
    parts: Parts


class Pin(_Command):
    """Every new proposal has this component wherever its slot stands; one of them, if several of a slot are named.

    It takes the place of an earlier pin of the slot.
    """

    kind: Literal["pin"] = "pin"
    parts: Parts


class Unpin(_Command):
    """A slot is free again."""

    kind: Literal["unpin"] = "unpin"
    slots: Annotated[tuple[Slot, ...], Field(min_length=1)]


class Wish(_Command):
    """A preference among proposals.

    Attributes:
        key: A slot ("mixer"), or the name of a numeric dimension ("depth", "learning_rate", "attention.heads").
        value: For a slot a component; for a dimension "low" or "high"; "neutral" ends the preference.
        weight: How many times as likely a proposal is that has all of it as one that has nothing of it.
    """

    key: Annotated[str, Field(min_length=1)]
    value: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(gt=1.0, le=1000.0, allow_inf_nan=False)] = DEFAULT_WEIGHT

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class Favour(_Command):
    """New proposals lean towards something; nothing is ruled out."""

    kind: Literal["favour"] = "favour"
    wishes: Annotated[tuple[Wish, ...], Field(min_length=1)]


class Budget(_Command):
    """How much the study may use in all; what is not named stays. None lifts a limit.

    Attributes:
        trials: Architectures proposed, besides the baseline.
        hours: Wall time of all sessions together.
        tokens: Of the language model, in and out.
        usd: Of the language model, at list price.
    """

    kind: Literal["budget"] = "budget"
    trials: Annotated[int, Field(ge=1, le=100_000)] | None = None
    hours: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("trials", "tokens", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        return parse_count(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_something(self) -> Budget:
        if not self.model_fields_set - {"kind"}:
            raise ValueError("a budget of trials, hours, tokens or usd")
        if "trials" in self.model_fields_set and self.trials is None:
            raise ValueError("a number of trials: that limit cannot be lifted")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the options of the study's configuration that it sets."""
        return {BUDGET_OPTIONS[name]: getattr(self, name) for name in BUDGET_OPTIONS if name in self.model_fields_set}


#: Which option of a study each part of a budget is.
BUDGET_OPTIONS = {"trials": "trials", "hours": "max_hours", "tokens": "max_llm_tokens", "usd": "max_usd"}


class MoreOnBest(_Command):
    """The best trial that was not promoted yet is trained for longer now, on one more rung if it stands on the last."""

    kind: Literal["more-on-best"] = "more-on-best"


class Pause(_Command):
    """What runs finishes, nothing new begins, the process waits."""

    kind: Literal["pause"] = "pause"


class Resume(_Command):
    """A paused study goes on."""

    kind: Literal["resume"] = "resume"


class Stop(_Command):
    """The study ends in good order and can be resumed."""

    kind: Literal["stop"] = "stop"


class Approval(_Command):
    """Whether a new component waits for a person before it is written and trained."""

    kind: Literal["approval"] = "approval"
    on: bool


class Approve(_Command):
    """A component that waits may be written: the writing's number in its study."""

    kind: Literal["approve"] = "approve"
    card: Annotated[int, Field(ge=0)]


class Reject(_Command):
    """A component that waits will not be written."""

    kind: Literal["reject"] = "reject"
    card: Annotated[int, Field(ge=0)]
    reason: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""


class Idea(_Command):
    """A person's sentence becomes a card, and the card a component of the study. Needs a language model."""

    kind: Literal["idea"] = "idea"
    text: Text


class Ingest(_Command):
    """Papers for the study's agents: an arXiv id, a search, a file or a folder."""

    kind: Literal["ingest"] = "ingest"
    ref: Text


SteeringCommand = Annotated[
    Veto
    | Allow
    | Pin
    | Unpin
    | Favour
    | Budget
    | MoreOnBest
    | Pause
    | Resume
    | Stop
    | Approval
    | Approve
    | Reject
    | Idea
    | Ingest,
    Field(discriminator="kind"),
]
COMMANDS: TypeAdapter[SteeringCommand] = TypeAdapter(SteeringCommand)
"""Validates a command of any kind; `COMMANDS.json_schema()` is what a language model's answer has to be."""

Kind = Literal[
    "veto",
    "allow",
    "pin",
    "unpin",
    "favour",
    "budget",
    "more-on-best",
    "pause",
    "resume",
    "stop",
    "approval",
    "approve",
    "reject",
    "idea",
    "ingest",
]
"""The kinds of commands, as a language model may name them."""
KINDS: tuple[str, ...] = get_args(Kind)
#: Of the session alone: they mean nothing to a study that does not run, and are not repeated in a replay.
SESSION_KINDS = frozenset({"pause", "resume", "stop"})


def command_from_json(kind: str, payload: Mapping[str, Any]) -> SteeringCommand:
    """Return the command of a kind with its fields, as the store keeps it.

    Raises:
        UnknownNameError: If there is no such kind.
        InvalidValueError: If a field is missing, unknown or outside its domain; names it.
    """
    if kind not in KINDS:
        raise UnknownNameError("command", kind, KINDS)
    try:
        return COMMANDS.validate_python({"kind": kind, **payload})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in problem["loc"][1:]) or kind
        expected = str(problem["msg"])
        for prefix in ("Input should be ", "Value error, "):
            expected = expected.removeprefix(prefix)
        raise InvalidValueError(path, problem["input"], expected) from error


def payload_of(command: SteeringCommand) -> dict[str, Any]:
    """Return a command's fields as JSON, without its kind; `command_from_json` reads them back."""
    return command.model_dump(mode="json", exclude={"kind"}, exclude_unset=isinstance(command, Budget))


def slash(command: SteeringCommand) -> str:
    """Return a command as a person would type it; `parse_command` reads it back."""
    return " ".join([f"/{command.kind}", *_words(command)])


def _words(command: SteeringCommand) -> list[str]:
    match command:
        case Veto() | Allow() | Pin():
            return [str(part) for part in command.parts]
        case Unpin():
            return [str(slot) for slot in command.slots]
        case Favour():
            return _wishes(command.wishes)
        case Budget():
            given = {name: getattr(command, name) for name in BUDGET_OPTIONS if name in command.model_fields_set}
            return [f"{name}={'none' if value is None else f'{value:.12g}'}" for name, value in given.items()]
        case Approval():
            return ["on" if command.on else "off"]
        case Approve():
            return [f"c{command.card}"]
        case Reject():
            return [f"c{command.card}", *([command.reason] if command.reason else [])]
        case Idea():
            return [command.text]
        case Ingest():
            return [command.ref]
        case _:
            return []


def _wishes(wishes: tuple[Wish, ...]) -> list[str]:
    """Return wishes as words; a weight holds for those before it, back to the last weight."""
    words = []
    for index, wish in enumerate(wishes):
        words.append(str(wish))
        last = index + 1 == len(wishes)
        if wish.weight != DEFAULT_WEIGHT if last else wish.weight != wishes[index + 1].weight:
            words.append(f"weight={wish.weight:g}")
    return words


def describe(command: SteeringCommand) -> str:
    """Return in plain words what a command does: for the confirmation, and for the log."""
    match command:
        case Veto():
            return f"propose no {_listed(command.parts)} any more"
        case Allow():
            return f"allow {_listed(command.parts)} again"
        case Pin():
            slots = dict.fromkeys(part.slot for part in command.parts)
            said = [(slot, [part.name for part in command.parts if part.slot is slot]) for slot in slots]
            return "; ".join(f"every new proposal has {' or '.join(names)} as its {slot}" for slot, names in said)
        case Unpin():
            return f"leave the {' and the '.join(command.slots)} free again"
        case Favour():
            return "; ".join(describe_wish(wish) for wish in command.wishes)
        case Budget():
            return "; ".join(_limit(option, value) for option, value in command.changes().items())
        case MoreOnBest():
            return "train the best trial that was not promoted yet for longer, now"
        case Pause():
            return "pause: what runs finishes, nothing new begins"
        case Resume():
            return "go on after a pause"
        case Stop():
            return "stop in good order"
        case Approval():
            return (
                "ask a person before a new component is written"
                if command.on
                else "write new components without asking a person"
            )
        case Approve():
            return f"have component c{command.card} written"
        case Reject():
            return f"do not have component c{command.card} written" + (f": {command.reason}" if command.reason else "")
        case Idea():
            return f"try an idea: {command.text}"
        case Ingest():
            return f"read {command.ref}"


def describe_wish(wish: Wish) -> str:
    """Return a preference in plain words."""
    if wish.value == NEUTRAL:
        return f"no preference for {wish.key} any more"
    name = f"{wish.value} {wish.key}" if wish.value in (LOW, HIGH) else f"{wish.key} {wish.value}"
    return f"favour {name}, up to {wish.weight:g} times as likely"


def _listed(parts: tuple[Part, ...]) -> str:
    return ", ".join(f"{part.slot} {part.name}" for part in parts)


def _limit(option: str, value: Any) -> str:
    name, unit = {
        "trials": ("the number of architectures", ""),
        "max_hours": ("the wall time", " hours"),
        "max_llm_tokens": ("the language model's tokens", ""),
        "max_usd": ("the language model's cost", " USD"),
    }[option]
    if value is None:
        return f"lift the limit of {name}"
    return f"limit {name} to {f'{value:,}' if isinstance(value, int) else f'{value:g}'}{unit} in all"
