"""The configuration of a study: what a person asks for, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from neuramosaic.errors import InvalidValueError, UnknownOptionError, UsageError

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "b": 1_000_000_000}
#: Greatest relative difference of a model's parameters from the study's budget.
PARAMS_TOLERANCE = 0.05


def parse_count(text: str | int) -> int:
    """Read a count such as 300000, "300k" or "1.5M".

    Raises:
        ValueError: If it is not a positive count.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmgb]?)", str(text).strip().lower().replace("_", ""))
    count = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if count < 1:
        raise ValueError("a count such as 300000, 300k or 1.5M")
    return count


class SpaceConfig(BaseModel):
    """Which part of the architecture space a study searches. None means: everything the catalogue has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mixers: tuple[str, ...] | None = None
    """Names of the mixers allowed."""
    channels: tuple[str, ...] | None = None
    """Names of the channel components allowed."""
    norms: tuple[str, ...] | None = None
    """Names of the norms allowed."""
    positions: tuple[str, ...] | None = None
    """Names of the position components allowed."""
    residuals: tuple[str, ...] | None = None
    """Names of the residual topologies allowed."""
    modulators: tuple[str, ...] | None = None
    """Names of the modulators allowed; an empty list allows none."""
    max_pattern: int = Field(default=2, ge=1, le=4)
    """Longest pattern of blocks that is tiled over the depth."""
    depth: tuple[int, int] = (2, 6)
    """Least and greatest number of blocks."""


class ComponentName(BaseModel):
    """A component by its place and name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: str
    """Its slot, such as `mixer`."""
    name: str
    """Its name within the slot."""


class ComparisonConfig(BaseModel):
    """A component that is compared with what the baseline has in its slot, seed by seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    component: ComponentName
    """What stands in its slot in every block, or once where the slot exists once."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = Field(default=(0, 1, 2), min_length=2, max_length=64)
    """Seeds of data order and initialisation; each trains the baseline and the model with the component."""

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds that differ: a pair twice is no second measurement")
        return seeds


class StudyConfig(BaseModel):
    """A study: a search on one task with one space, objective and budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str = "python-code"
    """Name of the task, or `text:FILE`."""
    task_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the task, such as `sequence_length`."""
    params: int = Field(default=300_000, ge=1)
    """Parameters that every model has, within 5 %: size must never be what wins."""
    space: SpaceConfig = Field(default_factory=SpaceConfig)
    """Which part of the architecture space is searched."""
    trials: int = Field(default=16, ge=1, le=100_000)
    """How many architectures are proposed, besides the baseline."""
    sampler: str = "bayes"
    """Who proposes: random, sobol, evolution, bayes."""
    sampler_settings: dict[str, Any] = Field(default_factory=dict)
    """Options of the sampler."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the search, of data order and of initialisation (separate named streams)."""
    tokens: int = Field(default=196_608, ge=1)
    """Tokens of training at the first rung."""
    rungs: int = Field(default=2, ge=1, le=8)
    """How many fidelity levels there are."""
    eta: int = Field(default=3, ge=2, le=16)
    """Each rung has `eta` times the tokens of the one before; of each rung the best 1 in `eta` are promoted."""
    batch_size: int = Field(default=8, ge=1)
    """Sequences per training step."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Trials trained at once; by default one per two processors, at least 2 where there are 2."""
    threads: int | None = Field(default=None, ge=1)
    """Processor threads of one trial; by default the processors divided among the workers."""
    sandbox: Literal["auto", "docker", "bubblewrap", "process"] = "auto"
    """Where models are verified and trained."""
    memory_mib: int = Field(default=3072, ge=256)
    """Memory of one trial."""
    trial_minutes: float = Field(default=20.0, gt=0)
    """Wall time of one trial."""
    max_hours: float | None = Field(default=None, gt=0)
    """Wall time of the study, all its sessions together; it then ends in good order."""
    llm: Literal["none", "local", "openai", "replay"] = "none"
    """Language model that proposes and writes beside the algorithms; `none` leaves every decision to them."""
    llm_model: str | None = None
    """openai: name of the model, as the server knows it."""
    llm_url: str | None = None
    """openai: address of an OpenAI-compatible server, up to and including `/v1`."""
    llm_gguf: str | None = None
    """local: file of the model; by default the installed one."""
    replay: str | None = None
    """replay: the study whose ledger answers."""
    max_usd: float | None = Field(default=None, gt=0)
    """The most that the language model may cost, at list price; the study then ends in good order."""
    max_llm_tokens: int | None = Field(default=None, ge=1)
    """The most tokens, in and out, that the language model may use; the study then ends in good order."""
    new_components: int = Field(default=2, ge=0, le=64)
    """How many components, at most, the language model may have written for the study."""

    comparison: ComparisonConfig | None = None
    """Compare one component with the baseline over several seeds, at `tokens`, in the place of a search; `trials` is
    then the number of its seeds, and `rungs` 1."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_comparison(cls, data: Any) -> Any:
        comparison = data.get("comparison") if isinstance(data, Mapping) else None
        if comparison is None:
            return data
        default = ComparisonConfig.model_fields["seeds"].default
        seeds = comparison.get("seeds", default) if isinstance(comparison, Mapping) else default
        number = len(seeds) if isinstance(seeds, list | tuple) else 1  # what is wrong with them is said field by field
        return {"trials": max(1, number), "rungs": 1, **data}

    @model_validator(mode="after")
    def _is_a_search_or_a_comparison(self) -> StudyConfig:
        if self.comparison is not None:
            if self.trials != len(self.comparison.seeds):
                raise ValueError("`trials` beside `comparison` is the number of its seeds: leave it out")
            if self.rungs != 1:
                raise ValueError("`rungs` beside `comparison` is 1: leave it out")
            if self.llm != "none":
                raise ValueError("`llm` beside `comparison` has nothing to decide: leave it out")
        return self

    @field_validator("params", "tokens", "max_llm_tokens", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        return parse_count(value) if isinstance(value, str) else value

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], where: str = "study configuration") -> StudyConfig:
        """Check what a person wrote.

        Raises:
            UnknownOptionError: If a key is misspelt; names the nearest one.
            InvalidValueError: If a value is outside its domain; names the field.
        """
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            problems = error.errors(include_url=False)
            # A misspelt key is also a missing one: name the one that was written.
            problem = next((item for item in problems if item["type"] == "extra_forbidden"), problems[0])
            path = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                *parents, key = problem["loc"]
                model = _MODELS.get(".".join(map(str, parents)), cls)
                place = ".".join([where, *map(str, parents)])
                raise UnknownOptionError(place, str(key), model.model_fields) from error
            if not path:  # of several options together
                raise UsageError(f"{where}: {_expectation(problem)}") from error
            raise InvalidValueError(path, problem["input"], _expectation(problem)) from error

    @classmethod
    def from_file(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> StudyConfig:
        """Read a YAML file; what `overrides` says explicitly wins.

        Raises:
            UsageError: If the file cannot be read, or is no YAML mapping.
        """
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the configuration {path}: {error}") from error
        except yaml.YAMLError as error:
            detail = " ".join(str(error).split())
            raise UsageError(f"{path} is not valid YAML: {detail}") from error
        if data is None:
            data = {}
        if not isinstance(data, dict):
            raise UsageError(f"{path}: expected `option: value` lines, found {type(data).__name__}")
        return cls.from_mapping({**data, **(overrides or {})}, where=str(path))

    def fidelity(self, rung: int) -> int:
        """Return the tokens of training at a rung."""
        return int(self.tokens * self.eta**rung)

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as plain JSON; `from_mapping` reads it back."""
        return self.model_dump(mode="json")


#: What the options that hold options are, by their path.
_MODELS: Mapping[str, type[BaseModel]] = {
    "space": SpaceConfig,
    "comparison": ComparisonConfig,
    "comparison.component": ComponentName,
}


def _expectation(problem: Any) -> str:
    message = str(problem["msg"])
    for prefix in ("Input should be ", "Value error, "):
        message = message.removeprefix(prefix)
    return message
