"""The genotype: an architecture as a frozen value with a canonical JSON form and a content id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from neuramosaic.canonical import canonical_json, content_id
from neuramosaic.errors import InvalidArchitectureError, UnknownOptionError

FORMAT = 1


@dataclass(frozen=True)
class Choice:
    """A component by name, with all its hyper-parameters.

    Attributes:
        name: Name of the component within its slot.
        hyperparameters: Every hyper-parameter of the component; read-only.
    """

    name: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ordered = {key: self.hyperparameters[key] for key in sorted(self.hyperparameters)}
        object.__setattr__(self, "hyperparameters", MappingProxyType(ordered))

    def __hash__(self) -> int:
        return hash(canonical_json(self.to_json()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Choice, (self.name, dict(self.hyperparameters)))

    def to_json(self) -> dict[str, Any]:
        """Return `{"name": ..., "hyperparameters": {...}}`."""
        return {"name": self.name, "hyperparameters": dict(self.hyperparameters)}

    @classmethod
    def from_json(cls, data: Any, field_name: str) -> Choice:
        """Read what `to_json` wrote.

        Raises:
            InvalidArchitectureError: If the shape is wrong; names `field_name`.
        """
        if isinstance(data, str):
            return cls(data)
        if not isinstance(data, Mapping) or not isinstance(data.get("name"), str):
            raise InvalidArchitectureError(field_name, f"expected a component name or an object, got {data!r}")
        _no_extra(data, ("name", "hyperparameters"), field_name)
        hyperparameters = data.get("hyperparameters", {})
        if not isinstance(hyperparameters, Mapping):
            reason = f"expected an object, got {hyperparameters!r}"
            raise InvalidArchitectureError(f"{field_name}.hyperparameters", reason)
        return cls(data["name"], dict(hyperparameters))


@dataclass(frozen=True)
class Block:
    """One block of the pattern.

    Attributes:
        mixer: What moves information along time.
        channel: What transforms each position by itself.
        norm: The normalisation inside the block.
        modulator: What wraps the block, or None.
    """

    mixer: Choice
    channel: Choice
    norm: Choice
    modulator: Choice | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the block as plain JSON."""
        return {
            "mixer": self.mixer.to_json(),
            "channel": self.channel.to_json(),
            "norm": self.norm.to_json(),
            "modulator": self.modulator.to_json() if self.modulator else None,
        }


@dataclass(frozen=True)
class Architecture:
    """A model's design and the training numbers that belong to it.

    Attributes:
        width: Model dimension D.
        depth: Number of blocks.
        blocks: Pattern of 1-4 blocks, tiled over the depth: block i is `blocks[i % len(blocks)]`.
        position: How positions enter.
        residual: How a block's parts are joined.
        training: The training "magic numbers": learning_rate, weight_decay, warmup_fraction ...; read-only.
    """

    width: int
    depth: int
    blocks: tuple[Block, ...]
    position: Choice
    residual: Choice
    training: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        ordered = {key: self.training[key] for key in sorted(self.training)}
        object.__setattr__(self, "training", MappingProxyType(ordered))

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Architecture.from_json, (self.to_json(),))

    def to_json(self) -> dict[str, Any]:
        """Return the architecture as plain JSON."""
        return {
            "format": FORMAT,
            "width": self.width,
            "depth": self.depth,
            "blocks": [block.to_json() for block in self.blocks],
            "position": self.position.to_json(),
            "residual": self.residual.to_json(),
            "training": dict(self.training),
        }

    @cached_property
    def canonical(self) -> str:
        """Its one JSON text."""
        return canonical_json(self.to_json())

    @cached_property
    def id(self) -> str:
        """Its content id, `sha256:...`; the same in every process and Python version."""
        return content_id(self.to_json())

    def expanded(self) -> tuple[Block, ...]:
        """Return the blocks from the first to the last, `depth` of them."""
        return tuple(self.blocks[index % len(self.blocks)] for index in range(self.depth))

    def components(self) -> tuple[str, ...]:
        """Return the `slot:name` of every component in it, each once, in order of appearance."""
        names: dict[str, None] = {}
        for block in self.blocks:
            names[f"mixer:{block.mixer.name}"] = None
            names[f"channel:{block.channel.name}"] = None
            names[f"norm:{block.norm.name}"] = None
            if block.modulator:
                names[f"modulator:{block.modulator.name}"] = None
        names[f"position:{self.position.name}"] = None
        names[f"residual:{self.residual.name}"] = None
        return tuple(names)

    def label(self) -> str:
        """Return a short name for people, such as "4x64 attention+swiglu rms_norm rope pre"."""
        parts = " | ".join(
            f"{block.mixer.name}+{block.channel.name}" + (f"~{block.modulator.name}" if block.modulator else "")
            for block in self.blocks
        )
        norms = "/".join(dict.fromkeys(block.norm.name for block in self.blocks))
        return f"{self.depth}x{self.width} {parts} {norms} {self.position.name} {self.residual.name}"

    @classmethod
    def from_json(cls, data: Any) -> Architecture:
        """Read what `to_json` wrote. Shapes are checked here; domains are checked by the space.

        Raises:
            InvalidArchitectureError: If a field is missing, unknown or of the wrong kind; names the field.
        """
        if not isinstance(data, Mapping):
            raise InvalidArchitectureError("architecture", f"expected an object, got {type(data).__name__}")
        fields = ("format", "width", "depth", "blocks", "position", "residual", "training")
        _no_extra(data, fields, "architecture")
        for name in fields[1:]:
            if name not in data:
                raise InvalidArchitectureError(name, "is missing")
        if data.get("format", FORMAT) != FORMAT:
            raise InvalidArchitectureError("format", f"expected {FORMAT}, got {data['format']!r}")
        for name in ("width", "depth"):
            if type(data[name]) is not int or data[name] < 1:
                raise InvalidArchitectureError(name, f"expected a positive whole number, got {data[name]!r}")
        if not isinstance(data["blocks"], (list, tuple)) or not 1 <= len(data["blocks"]) <= 4:
            raise InvalidArchitectureError("blocks", "expected a list of 1 to 4 blocks")
        training = data["training"]
        if not isinstance(training, Mapping):
            raise InvalidArchitectureError("training", f"expected an object, got {training!r}")
        for key, value in training.items():
            if type(value) not in (int, float):
                raise InvalidArchitectureError(f"training.{key}", f"expected a number, got {value!r}")
        return cls(
            width=data["width"],
            depth=data["depth"],
            blocks=tuple(_block(item, f"blocks[{index}]") for index, item in enumerate(data["blocks"])),
            position=Choice.from_json(data["position"], "position"),
            residual=Choice.from_json(data["residual"], "residual"),
            training=dict(training),
        )


def _block(data: Any, name: str) -> Block:
    if not isinstance(data, Mapping):
        raise InvalidArchitectureError(name, f"expected an object, got {data!r}")
    _no_extra(data, ("mixer", "channel", "norm", "modulator"), name)
    for slot in ("mixer", "channel", "norm"):
        if slot not in data:
            raise InvalidArchitectureError(f"{name}.{slot}", "is missing")
    modulator = data.get("modulator")
    return Block(
        mixer=Choice.from_json(data["mixer"], f"{name}.mixer"),
        channel=Choice.from_json(data["channel"], f"{name}.channel"),
        norm=Choice.from_json(data["norm"], f"{name}.norm"),
        modulator=None if modulator is None else Choice.from_json(modulator, f"{name}.modulator"),
    )


def _no_extra(data: Mapping[str, Any], valid: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in valid:
            raise InvalidArchitectureError(where, str(UnknownOptionError(where, str(key), valid)))
