"""Component cards: what a component is to be, in words and equations, before there is code or beside it.

A card is a YAML file; docs/cards.md shows two in full, and docs/card.schema.json is its JSON schema. The code of a
component is held to its card: the hyper-parameters are its keyword arguments, the cost and the properties are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from neuramosaic.components.rule import ParameterRule
from neuramosaic.components.spec import ComponentSpec, CostClass, Provenance, Slot
from neuramosaic.errors import InvalidValueError, UnknownOptionError, UsageError
from neuramosaic.space.domains import Categorical, Float, Integer, Parameter

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Hyperparameter(_Part):
    """A keyword argument of the component's class."""

    name: Name
    """Its name, in snake case."""
    kind: Literal["categorical", "integer", "float"]
    """What values it takes."""
    domain: Annotated[list[str | bool | int | float], Field(min_length=1, max_length=64)]
    """categorical: its choices. integer, float: the least and the greatest value."""
    default: str | bool | int | float
    """Value that is tried first."""
    log: bool = False
    """integer, float: whether equal ratios are equally far apart."""

    @model_validator(mode="after")
    def _is_a_domain(self) -> Hyperparameter:
        self.parameter()
        return self

    def parameter(self) -> Parameter:
        """Return it as a parameter of the space.

        Raises:
            ValueError: If the domain is none of this kind, or the default is outside it.
        """
        if self.kind == "categorical":
            if self.log:
                raise ValueError(f"{self.name}: only numbers have a logarithmic scale")
            return Categorical(self.name, tuple(self.domain), default=self.default)
        if len(self.domain) != 2 or any(type(item) not in (int, float) for item in self.domain):
            raise ValueError(f"{self.name}: the domain of a number is [least, greatest], got {self.domain}")
        low, high = self.domain
        # The classes check the types themselves, and say so in one line.
        made: type[Any] = Integer if self.kind == "integer" else Float
        parameter: Parameter = made(self.name, low, high, log=self.log, default=self.default)
        return parameter


class Properties(_Part):
    """What the ladder checks besides what every component must hold; see `neuramosaic.verify.properties`."""

    receptive_field: Annotated[int, Field(ge=1, le=512)] | None = None
    """The output at t depends on the input at t - receptive_field + 1, and on none before it."""
    position_sensitive: bool | None = None
    """Whether the output depends on the order of what came before it."""
    recurrent_form: Literal[True] | None = None
    """A bounded state is all that is carried along: the work per position must not grow with T."""
    decay_of_influence: bool | None = None
    """Whether, at initialisation, far inputs act less than half as strongly on the output as near ones."""


class Card(_Part):
    """What a component is to be."""

    name: Name
    """Unique within its slot."""
    slot: Slot
    """The slot that it fills."""
    summary: Annotated[str, Field(pattern=r"^[^\n]+$", max_length=200)]
    """One line for people."""
    equations: list[Text] = Field(default_factory=list, max_length=32)
    """What it computes; plain text or LaTeX."""
    hyperparameters: list[Hyperparameter] = Field(default_factory=list, max_length=16)
    """The keyword arguments of its class, in order."""
    cost: CostClass = CostClass.LINEAR
    """How its time grows with the sequence length T."""
    properties: Properties = Field(default_factory=Properties)
    """What is checked besides."""
    paper: Annotated[str, Field(pattern=r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$")] | None = None
    """arXiv id of the paper that it comes from."""
    pages: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list, max_length=100)
    """Pages of the paper that say how."""

    @field_validator("slot", "cost", mode="before")
    @classmethod
    def _enumeration(cls, value: Any, info: Any) -> Any:
        kind: type[Slot] | type[CostClass] = Slot if info.field_name == "slot" else CostClass
        return kind(value) if isinstance(value, str) and value in tuple(kind) else value

    @model_validator(mode="after")
    def _is_consistent(self) -> Card:
        names = [item.name for item in self.hyperparameters]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"hyperparameters: {name!r} stands there twice")
        if self.pages and self.paper is None:
            raise ValueError("pages: they need a paper")
        return self

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], where: str = "card") -> Card:
        """Check what a person or a program wrote.

        Raises:
            UnknownOptionError: If a key is misspelt; names the nearest one.
            InvalidValueError: If a value is outside its domain; names the field.
        """
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise _clear(error, where) from error

    @classmethod
    def from_yaml(cls, text: str, where: str = "card") -> Card:
        """Read a card; `to_yaml` wrote it, or a person.

        Raises:
            UsageError: If it is no YAML mapping, or no valid card; names the field.
        """
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
        if not isinstance(data, dict):
            raise UsageError(f"{where}: expected `field: value` lines, found {type(data).__name__}")
        return cls.from_mapping(data, where)

    @classmethod
    def from_file(cls, path: Path) -> Card:
        """Read a YAML file.

        Raises:
            UsageError: If it cannot be read, or holds no valid card.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the card {path}: {error}") from error
        return cls.from_yaml(text, str(path))

    def to_yaml(self) -> str:
        """Return the card as YAML, without the fields that say nothing; `from_yaml` reads it back."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        data["cost"] = str(self.cost)
        order = [name for name in type(self).model_fields if name in data]
        return yaml.safe_dump({name: data[name] for name in order}, sort_keys=False, allow_unicode=True, width=120)

    def domains(self) -> tuple[Parameter, ...]:
        """Return its hyper-parameters as parameters of the space, in order."""
        return tuple(item.parameter() for item in self.hyperparameters)

    def spec(
        self,
        source: str,
        class_name: str,
        *,
        provenance: Provenance,
        uses_position: bool = False,
        counts: ParameterRule | None = None,
    ) -> ComponentSpec:
        """Return the component that a class is if it is what the card says.

        Args:
            source: Text of the file that holds the class.
            class_name: The class.
            provenance: Where the source came from.
            uses_position: Whether the class takes `position=`.
            counts: How many parameters it has, once it was measured.
        """
        return ComponentSpec(
            name=self.name,
            slot=self.slot,
            class_name=class_name,
            summary=self.summary,
            source=source,
            hyperparameters=self.domains(),
            paper=self.paper,
            cost=self.cost,
            provenance=provenance,
            uses_position=uses_position,
            counts=counts,
        )

    def claims(self) -> dict[str, bool | int]:
        """Return the properties that it claims, by name."""
        return self.properties.model_dump(exclude_none=True)


def card_schema() -> dict[str, Any]:
    """Return the JSON schema of a card, which docs/card.schema.json holds."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Card.model_json_schema()}


#: What pydantic says too technically of these fields.
_EXPECTED = {
    "summary": "one line of at most 200 characters",
    "name": "a name in snake case, such as 'sliding_attention'",
    "paper": "an arXiv id in quotes, such as '2405.21060'",
    "slot": f"one of {[str(slot) for slot in Slot]}",
    "cost": f"one of {[str(cost) for cost in CostClass]}",
}


def _clear(error: ValidationError, where: str) -> UsageError:
    problems = error.errors(include_url=False)
    # A misspelt key is also a missing one: name the one that was written.
    problem = next((item for item in problems if item["type"] == "extra_forbidden"), problems[0])
    # Positions of a list count; the tags that a union adds are no fields of the card.
    fields = [part for part in problem["loc"] if isinstance(part, int) or "-" not in str(part)]
    if problem["type"] == "extra_forbidden":
        *parents, key = fields
        model: type[BaseModel] = Card
        if parents:
            model = Properties if parents[0] == "properties" else Hyperparameter
        return UnknownOptionError(".".join([where, *map(str, parents)]), str(key), model.model_fields)
    if problem["type"] == "missing":
        return InvalidValueError(_path(where, fields), None, "a value: it is missing")
    message = str(problem["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    if problem["type"] == "value_error":  # of several values together
        return UsageError(f"{_path(where, fields)}: {message}")
    message = _EXPECTED.get(str(fields[-1]), message) if fields else message
    return InvalidValueError(_path(where, fields), problem["input"], message)


def _path(where: str, fields: list[Any]) -> str:
    return ".".join([where, *(str(field) for field in fields if field not in ("str", "bool", "int", "float"))])
