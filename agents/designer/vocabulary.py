"""The space in the words of a prompt, and the schema of an answer that stays within it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from agents.literature import Brief
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import InvalidArchitectureError
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.space.domains import Categorical, Integer, Parameter
from neuramosaic.steering import Constraint

#: What each slot is for, in the order in which a model is read.
ROLES = {
    Slot.MIXER: "moves information along time",
    Slot.CHANNEL: "transforms each position by itself",
    Slot.NORM: "normalises inside a block",
    Slot.POSITION: "how positions enter",
    Slot.RESIDUAL: "how a block's parts are joined",
    Slot.MODULATOR: "wraps a block; may be none",
}
NO_MODULATOR = "none"
TRAINING = "training"
#: Values of a domain that are offered; of a longer one, that many evenly spread.
MOST_VALUES = 8
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
MOST_SETTINGS = 8
_ANSWER = ConfigDict(extra="ignore", frozen=True)
#: One line of text; cut rather than bounded, since a bound makes a long grammar for servers that follow the schema.
Sentence = Annotated[str, AfterValidator(lambda text: " ".join(text.split())[:LONGEST_SENTENCE])]
LONGEST_SENTENCE = 200


@dataclass(frozen=True)
class Setting:
    """A hyper-parameter of a component, or a training number, with a value of its domain."""

    component: str
    name: str
    value: Any

    def __str__(self) -> str:
        return f"{self.component}.{self.name}={_plain(self.value)}"


class Vocabulary:
    """Describes an `ArchitectureSpace` to a language model, and turns its answers into architectures.

    Args:
        space: The space.
        constraint: What a person's steering rules out, which is then neither shown nor accepted; None shows all.

    Attributes:
        schema: What an answer has to be: `why`, `depth`, `blocks`, a field for each slot of the whole model that leaves
            a choice, `settings`, `predicted_loss`.
    """

    def __init__(self, space: ArchitectureSpace, constraint: Constraint | None = None) -> None:
        self._space = space
        allowed = {slot: constraint.allowed[slot] if constraint else space.options(slot) for slot in Slot}
        self._domains = {parameter.name: parameter for parameter in space.parameters.parameters}
        self._specs = {
            slot: {spec.name: spec for spec in space.components(slot) if spec.name in allowed[slot]} for slot in Slot
        }
        self._modulators = list(allowed[Slot.MODULATOR])
        self._settings = {str(setting): setting for setting in self._all_settings()}
        self.schema = self._make_schema()

    def describe(self, brief: Brief | None = None) -> str:
        """Return the components by slot, a line each with their hyper-parameters, and the other domains.

        Args:
            brief: The literature: a mixer that it names carries its arXiv id. Those of the other slots are well known.
        """
        papers = {item.component: item.paper for item in brief.citations} if brief else {}
        papers = {name: paper for name, paper in papers.items() if name.startswith(f"{Slot.MIXER}:")}
        lines = []
        for slot, role in ROLES.items():
            specs = self._specs[slot].values()
            if specs:
                lines.append(f"{slot} ({role}):")
            for spec in specs:
                domains = "".join(f"; {item.name} {_values(item)}" for item in spec.hyperparameters)
                paper = papers.get(f"{slot}:{spec.name}")
                lines.append(f"- {spec.name}: {spec.summary}{f' [arXiv {paper}]' if paper else ''}{domains}")
        training = "; ".join(f"{item.name.partition('.')[2]} {_range(item)}" for item in self._training())
        if training:
            lines.append(f"{TRAINING}: {training}")
        lines.append(f"depth: {_range(self._domains['depth'])} blocks; the pattern of blocks is repeated over it")
        return "\n".join(lines)

    def describe_architecture(self, architecture: Architecture) -> str:
        """Return an architecture in the words of an answer; hyper-parameters at their defaults are left out."""
        blocks = " then ".join(
            f"{self._choice(Slot.MIXER, block.mixer)} + {self._choice(Slot.CHANNEL, block.channel)}"
            + (f" in {self._choice(Slot.MODULATOR, block.modulator)}" if block.modulator else "")
            for block in architecture.blocks
        )
        norms = "/".join(dict.fromkeys(block.norm.name for block in architecture.blocks))
        return (
            f"depth {architecture.depth}, {blocks}, {norms}, {architecture.position.name}, {architecture.residual.name}"
        )

    def read(self, answer: BaseModel, training: dict[str, float]) -> Architecture | None:
        """Return the canonical architecture of an answer, or None if it cannot meet the parameter budget.

        Args:
            answer: A valid answer.
            training: Training numbers that hold where the answer sets none.
        """
        said = answer.model_dump()
        wanted: dict[str, dict[str, Any]] = defaultdict(dict)
        for text in said["settings"]:
            setting = self._settings[text]
            wanted[setting.component][setting.name] = setting.value

        def choice(slot: Slot, name: str | None) -> Choice:
            specs = self._specs[slot]
            spec = specs[name] if name in specs else next(iter(specs.values()))
            domains = {item.name for item in spec.hyperparameters}
            return Choice(spec.name, {key: value for key, value in wanted[spec.name].items() if key in domains})

        norm = choice(Slot.NORM, said.get("norm"))
        blocks = []
        for block in said["blocks"]:
            modulator = block.get("modulator", self._modulators[0])
            blocks.append(
                Block(
                    choice(Slot.MIXER, block.get("mixer")),
                    choice(Slot.CHANNEL, block.get("channel")),
                    norm,
                    None if modulator == NO_MODULATOR else choice(Slot.MODULATOR, modulator),
                )
            )
        architecture = Architecture(
            width=self._space.baseline().width,
            depth=said["depth"],
            blocks=tuple(blocks),
            position=choice(Slot.POSITION, said.get("position")),
            residual=choice(Slot.RESIDUAL, said.get("residual")),
            training={**training, **wanted[TRAINING]},
        )
        return settle(self._space, architecture)

    def answer(self, architecture: Architecture) -> dict[str, Any]:
        """Return an architecture as an answer that `read` takes, but for `why` and `predicted_loss`.

        What an answer cannot say is left out: another norm in a second block, values that are not offered.
        """
        settings: dict[str, None] = {}
        for block in architecture.blocks:
            for slot, choice in ((Slot.MIXER, block.mixer), (Slot.CHANNEL, block.channel)):
                spec = self._specs[slot].get(choice.name)
                for name, value in choice.hyperparameters.items():
                    text = str(Setting(choice.name, name, value))
                    if spec and spec.defaults()[name] != value and text in self._settings:
                        settings[text] = None
        blocks = []
        for block in architecture.blocks:
            said = {"mixer": block.mixer.name, "channel": block.channel.name}
            if self._specs[Slot.MODULATOR]:
                said["modulator"] = block.modulator.name if block.modulator else NO_MODULATOR
            blocks.append(said)
        whole = {
            Slot.NORM: architecture.blocks[0].norm,
            Slot.POSITION: architecture.position,
            Slot.RESIDUAL: architecture.residual,
        }
        return {
            "depth": architecture.depth,
            "blocks": blocks,
            **{str(slot): choice.name for slot, choice in whole.items() if len(self._specs[slot]) > 1},
            "settings": list(settings)[:MOST_SETTINGS],
        }

    def sets_training(self, answer: BaseModel) -> bool:
        """Return whether an answer sets a training number."""
        return any(self._settings[text].component == TRAINING for text in answer.model_dump()["settings"])

    def _choice(self, slot: Slot, choice: Choice) -> str:
        spec = self._specs[slot].get(choice.name)
        defaults = spec.defaults() if spec else {}
        said = [f"{key}={_plain(value)}" for key, value in choice.hyperparameters.items() if defaults.get(key) != value]
        return choice.name + (f"({', '.join(said)})" if said else "")

    def _training(self) -> list[Parameter]:
        return [parameter for name, parameter in self._domains.items() if name.startswith(f"{TRAINING}.")]

    def _all_settings(self) -> Iterator[Setting]:
        for specs in self._specs.values():
            for spec in specs.values():
                for domain in spec.hyperparameters:
                    yield from (Setting(spec.name, domain.name, value) for value in _offered(domain))
        for domain in self._training():
            yield from (Setting(TRAINING, domain.name.partition(".")[2], value) for value in _offered(domain))

    def _make_schema(self) -> type[BaseModel]:
        block: dict[str, Any] = {}
        for slot in (Slot.MIXER, Slot.CHANNEL):
            block[slot] = (_one_of(list(self._specs[slot])), ...)
        if self._specs[Slot.MODULATOR]:
            block[Slot.MODULATOR] = (_one_of(self._modulators), self._modulators[0])
        pattern = self._domains.get("pattern")
        longest = pattern.high if isinstance(pattern, Integer) else 1
        depth = self._domains["depth"]
        assert isinstance(depth, Integer)
        block_model = create_model("Block", __config__=_ANSWER, **{str(name): field for name, field in block.items()})
        fields: dict[str, Any] = {
            "why": (Sentence, ...),
            "depth": (Annotated[int, Field(ge=depth.low, le=depth.high)], ...),
            "blocks": (Annotated[list[block_model], Field(min_length=1, max_length=longest)], ...),  # type: ignore[valid-type]
        }
        for slot in (Slot.NORM, Slot.POSITION, Slot.RESIDUAL):
            if len(self._specs[slot]) > 1:
                fields[str(slot)] = (_one_of(list(self._specs[slot])), ...)
        settings = _one_of(list(self._settings)) if self._settings else str
        fields["settings"] = (Annotated[list[settings], Field(max_length=MOST_SETTINGS)], ...)  # type: ignore[valid-type]
        fields["predicted_loss"] = (Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)], ...)
        return create_model("ProposedArchitecture", __config__=_ANSWER, **fields)


def settle(space: ArchitectureSpace, architecture: Architecture) -> Architecture | None:
    """Return the canonical form of an architecture at the nearest depth that can meet the parameter budget.

    Returns:
        None if no depth can, or the architecture is not of the space for another reason.
    """
    depth = next(parameter for parameter in space.parameters.parameters if parameter.name == "depth")
    depths = sorted(depth.values(), key=lambda value: (abs(value - architecture.depth), value))
    for value in depths:
        try:
            return space.canonicalise(replace(architecture, depth=value))
        except InvalidArchitectureError:
            continue
    return None


def with_component(space: ArchitectureSpace, architecture: Architecture, spec: ComponentSpec) -> Architecture | None:
    """Return an architecture with a component wherever its slot stands, or None if that cannot meet the budget."""
    chosen = Choice(spec.name, spec.defaults())
    match spec.slot:
        case Slot.POSITION:
            changed = replace(architecture, position=chosen)
        case Slot.RESIDUAL:
            changed = replace(architecture, residual=chosen)
        case _:
            blocks = tuple(replace(block, **{str(spec.slot): chosen}) for block in architecture.blocks)
            changed = replace(architecture, blocks=blocks)
    return settle(space, changed)


def _one_of(names: Sequence[str]) -> Any:
    return Literal[tuple(names)]


def _offered(domain: Parameter) -> list[Any]:
    """Return the values of a domain that an answer may name: all of a short one, else a few that are spread evenly."""
    if domain.cardinality is not None and domain.cardinality <= MOST_VALUES:
        return list(domain.values())
    return list(dict.fromkeys(domain.from_unit(unit) for unit in LEVELS))


def _values(domain: Parameter) -> str:
    return "|".join(_plain(value) for value in _offered(domain)) if isinstance(domain, Categorical) else _range(domain)


def _range(domain: Parameter) -> str:
    if isinstance(domain, Categorical):
        return _values(domain)
    return f"{_plain(domain.low)}-{_plain(domain.high)}"


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
