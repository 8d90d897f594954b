"""How many parameters an architecture's model has, without building the model.

Each component of the catalogue is instantiated once per width and hyper-parameters on torch's meta device, where
tensors have shapes but no memory, and its count is kept. The code of any other component never runs here: its measured
rule is asked. The sum follows the generated model: tied embedding, position, the blocks, final norm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Protocol

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from neuramosaic.components.spec import ComponentSpec, Provenance
from neuramosaic.errors import UsageError
from neuramosaic.space.architecture import Architecture, Block, Choice

_INITIALISERS = frozenset(
    (
        nn.init.kaiming_uniform_,
        nn.init.normal_,
        nn.init.uniform_,
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
    )
)

Settings = tuple[tuple[str, Any], ...]
"""Hyper-parameters as a hashable value: sorted (name, value) pairs."""


class Components(Protocol):
    """What counting needs of a catalogue."""

    def get(self, slot: Any, name: str) -> ComponentSpec:
        """Return the component of that name, or raise `UnknownNameError`."""
        ...


def count_parameters(
    architecture: Architecture, catalogue: Components, *, vocab_size: int, sequence_length: int
) -> int:
    """Count the parameters of an architecture's model exactly; shared ones (the tied output head) count once.

    Args:
        architecture: With complete hyper-parameters.
        catalogue: Where its components are found.
        vocab_size: Rows of the embedding.
        sequence_length: Positions that a learned position table holds.

    Raises:
        UnknownNameError: If a component is not in the catalogue.
        UsageError: If a component is not the catalogue's own code, which never runs on the host, and has no rule.
    """
    width, depth, blocks = architecture.width, architecture.depth, architecture.blocks
    position = _spec(catalogue, "position", architecture.position)
    total = vocab_size * width
    total += _count_plain(position.source, position.class_name, width, (("max_length", sequence_length),))
    total += _count_choice(catalogue, "norm", blocks[(depth - 1) % len(blocks)].norm, width)
    for index, block in enumerate(blocks):
        repeats = len(range(index, depth, len(blocks)))
        if repeats:
            total += repeats * _count_block(block, architecture.residual, catalogue, width)
    return total


def _count_block(block: Block, residual: Choice, catalogue: Components, width: int) -> int:
    topology = _spec(catalogue, "residual", residual)
    total = _count_choice(catalogue, "mixer", block.mixer, width)
    total += _count_choice(catalogue, "channel", block.channel, width)
    own, norms = _count_residual(topology.source, topology.class_name, width, _settings(residual))
    total += own + norms * _count_choice(catalogue, "norm", block.norm, width)
    if block.modulator:
        total += _count_choice(catalogue, "modulator", block.modulator, width)
    return total


def _count_choice(catalogue: Components, slot: str, choice: Choice, width: int) -> int:
    spec = catalogue.get(slot, choice.name)
    if spec.counts is not None:
        return spec.counts.count(width, choice.hyperparameters)
    spec = _spec(catalogue, slot, choice)
    count = _count_modulator if slot == "modulator" else _count_plain
    return count(spec.source, spec.class_name, width, _settings(choice))


def _spec(catalogue: Components, slot: str, choice: Choice) -> ComponentSpec:
    spec = catalogue.get(slot, choice.name)
    if spec.provenance is not Provenance.CATALOGUE:
        raise UsageError(
            f"{slot} {choice.name!r} came from a {spec.provenance} component: its code runs in the sandbox only, "
            "so its parameters cannot be counted here"
        )
    return spec


def _settings(choice: Choice) -> Settings:
    return tuple(choice.hyperparameters.items())


@lru_cache(maxsize=1024)
def _load(source: str, class_name: str) -> Callable[..., nn.Module]:
    namespace: dict[str, Any] = {"__name__": f"component_{class_name}"}
    exec(compile(source, f"<component {class_name}>", "exec"), namespace)
    loaded: Callable[..., nn.Module] = namespace[class_name]
    return loaded


class _NoInitialisation(TorchFunctionMode):
    """Skips the drawing of initial weights: on the meta device it changes nothing and takes most of the time."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _INITIALISERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def count_on_meta(build: Callable[[], nn.Module]) -> int:
    """Build a module on the meta device and return how many parameters it has, tied ones once."""
    with torch.device("meta"), _NoInitialisation():
        return sum(parameter.numel() for parameter in build().parameters())


@lru_cache(maxsize=1 << 16)
def _count_plain(source: str, class_name: str, width: int, settings: Settings) -> int:
    return count_on_meta(partial(_load(source, class_name), width, **dict(settings)))


@lru_cache(maxsize=1 << 14)
def _count_residual(source: str, class_name: str, width: int, settings: Settings) -> tuple[int, int]:
    """Count a residual topology without the mixer and channel that it joins; and how many norms it makes."""
    topology = _load(source, class_name)
    norms: list[nn.Module] = []

    def norm() -> nn.Module:
        norms.append(nn.Identity())
        return norms[-1]

    own = count_on_meta(lambda: topology(width, nn.Identity(), nn.Identity(), norm, **dict(settings)))
    return own, len(norms)


@lru_cache(maxsize=1 << 14)
def _count_modulator(source: str, class_name: str, width: int, settings: Settings) -> int:
    """Count a modulator without the block that it wraps."""
    modulator = _load(source, class_name)
    return count_on_meta(lambda: modulator(width, nn.Identity(), **dict(settings)))
