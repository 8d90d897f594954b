"""The job that verifies one component: by itself where its slot allows it, else inside a small baseline model.

It only writes the job; a sandbox worker does it (`component verify NAME`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuramosaic.codegen.generate import generate
from neuramosaic.components.counting import count_parameters
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import ComponentSpec, Provenance, Slot
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.verify.ladder import HARNESS_SLOTS

_WIDTH, _DEPTH = 32, 2
_VOCAB_SIZE, _SEQUENCE_LENGTH = 64, 80


@dataclass(frozen=True)
class VerificationJob:
    """What a sandbox is to be given.

    Attributes:
        request: The content of `job.json`.
        files: Input files by name.
    """

    request: Mapping[str, Any]
    files: Mapping[str, bytes]


def verification_job(
    spec: ComponentSpec,
    catalogue: Catalogue,
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    properties: Mapping[str, bool | int] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> VerificationJob:
    """Return the job that verifies a component.

    Args:
        spec: The component; need not be in the catalogue yet.
        catalogue: Where the rest of the model comes from.
        hyperparameters: What differs from the component's defaults.
        properties: What its card claims, to be checked where it can be verified by itself.
        seed: Of inputs and initialisation.
        threads: Torch threads of the worker.

    Raises:
        UnknownOptionError: If a hyper-parameter is not one of the component's.
        InvalidValueError: If a hyper-parameter is outside its domain.
        CodegenError: If no model can be written with the component's source.
    """
    settings = {**spec.defaults(), **(hyperparameters or {})}
    spec.check(settings)
    common = {"seed": seed, "threads": threads, "device": "cpu"}
    if spec.slot in HARNESS_SLOTS:
        request = {
            **common,
            "kind": "verify_component",
            "slot": str(spec.slot),
            "class_name": spec.class_name,
            "hyperparameters": settings,
            "cost": str(spec.cost),
            "properties": dict(properties or {}),
        }
        return VerificationJob(request, {"component.py": spec.source.encode()})
    return model_job(spec, catalogue, settings, seed=seed, threads=threads)


def model_job(
    spec: ComponentSpec,
    catalogue: Catalogue,
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> VerificationJob:
    """Return the job that verifies a small baseline model that holds a component.

    The number of parameters is checked too, where it is known without running the component's code here.

    Args:
        spec: The component; need not be in the catalogue yet.
        catalogue: Where the rest of the model comes from.
        hyperparameters: What differs from the component's defaults.
        seed: Of inputs and initialisation.
        threads: Torch threads of the worker.

    Raises:
        CodegenError: If no model can be written with the component's source.
    """
    known = Catalogue(item for item in catalogue.specs if (item.slot, item.name) != (spec.slot, spec.name))
    known.add(spec)
    architecture = model_around(spec, {**spec.defaults(), **(hyperparameters or {})}, known)
    sizes = {"vocab_size": _VOCAB_SIZE, "sequence_length": _SEQUENCE_LENGTH}
    expected = None
    if spec.provenance is Provenance.CATALOGUE or spec.counts is not None:
        expected = count_parameters(architecture, known, **sizes)
    common = {"seed": seed, "threads": threads, "device": "cpu"}
    request = {**common, "kind": "verify_model", "task": sizes, "expected_params": expected}
    return VerificationJob(request, {"model.py": generate(architecture, known, **sizes).encode()})


def model_around(spec: ComponentSpec, hyperparameters: Mapping[str, Any], catalogue: Catalogue) -> Architecture:
    """Return a small baseline architecture (pre-norm RMSNorm, RoPE attention, SwiGLU) with one component swapped in."""
    chosen = {
        Slot.MIXER: "attention",
        Slot.CHANNEL: "swiglu",
        Slot.NORM: "rms_norm",
        Slot.POSITION: "rope",
        Slot.RESIDUAL: "pre",
    }
    choices = {slot: Choice(name, catalogue.get(slot, name).defaults()) for slot, name in chosen.items()}
    choices[spec.slot] = Choice(spec.name, hyperparameters)
    block = Block(
        mixer=choices[Slot.MIXER],
        channel=choices[Slot.CHANNEL],
        norm=choices[Slot.NORM],
        modulator=choices.get(Slot.MODULATOR),
    )
    return Architecture(_WIDTH, _DEPTH, (block,), choices[Slot.POSITION], choices[Slot.RESIDUAL])
