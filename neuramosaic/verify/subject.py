"""What is verified, seen in one way: a model from tokens to logits, or a component from (B, T, D) to (B, T, D)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from neuramosaic.training.determinism import torch_stream
from neuramosaic.verify.report import CheckFailed

#: Noise put on every parameter before a check, so that a gate that starts at zero neither hides a leak nor looks like a
#: parameter without a gradient. Checks then speak of the function, not of its special first moment.
JITTER = 0.02


class Subject(Protocol):
    """What the checks need to know of a module."""

    seed: int
    #: T that it will be trained at, capped so that a check stays cheap.
    length: int
    #: Whether time must be mixed.
    mixes: bool
    expected_params: int | None

    @property
    def out_features(self) -> int:
        """How many elements the last dimension of the output has."""
        ...

    def build(self) -> nn.Module:
        """Return a freshly initialised module, the same each time."""
        ...

    def inputs(self, batch: int, length: int, salt: int = 0) -> Tensor:
        """Return random inputs `(B, T)` or `(B, T, D)`; another `salt` gives others."""
        ...

    def forward_with_leaves(self, module: nn.Module, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what enters the module, `(B, T, D)`, as leaves that require gradients, and its output."""
        ...

    def extreme_inputs(self) -> dict[str, Tensor]:
        """Return inputs at the edge of what must still give finite outputs, by name."""
        ...

    def language_model(self) -> tuple[nn.Module, int]:
        """Return a fresh model `(B, T)` tokens to logits that holds the module, and its vocabulary size."""
        ...


def jittered(subject: Subject) -> nn.Module:
    """Return a module with noise on every parameter."""
    module = subject.build()
    with torch_stream(subject.seed, "verify", "jitter"), torch.no_grad():
        for parameter in module.parameters():
            if torch.is_floating_point(parameter):
                parameter.add_(torch.randn_like(parameter), alpha=JITTER)
    return module


def run_copy(subject: Subject, module: nn.Module, inputs: Tensor, *, training: bool, draws: str = "pass") -> Tensor:
    """Run a copy of `module`, so that a pass leaves no trace in it, with its random draws taken from a named stream."""
    twin = copy.deepcopy(module).train(training)
    with torch_stream(subject.seed, "verify", draws), torch.no_grad():
        return output_of(twin, inputs)


def output_of(module: nn.Module, inputs: Tensor) -> Tensor:
    """Run a module and check that it returns one tensor.

    Raises:
        CheckFailed: If it returns something else.
    """
    output = module(inputs)
    if not isinstance(output, Tensor):
        raise CheckFailed(f"forward returns a {type(output).__name__}; it must return one tensor, the output")
    return output


@dataclass
class ModelSubject:
    """A whole model.

    Attributes:
        make: Builds it.
        vocab_size: V.
        seed: Of the streams that initialisation and inputs come from.
        length: T of the checks.
        expected_params: Parameters that it must have, or None.
    """

    make: Callable[[], nn.Module]
    vocab_size: int
    seed: int
    length: int
    expected_params: int | None = None
    mixes: bool = field(default=True, init=False)

    @property
    def out_features(self) -> int:
        """V."""
        return self.vocab_size

    def build(self) -> nn.Module:
        """Return a freshly initialised model."""
        with torch_stream(self.seed, "verify", "initialisation"):
            return self.make()

    def inputs(self, batch: int, length: int, salt: int = 0) -> Tensor:
        """Return random tokens, `(B, T)`."""
        generator = torch.Generator().manual_seed(self.seed % 2**32 + salt)
        return torch.randint(self.vocab_size, (batch, length), generator=generator)

    def forward_with_leaves(self, module: nn.Module, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
        """Cut the graph behind the embedding: its output becomes the leaf."""
        embed = getattr(module, "embed", None)
        if not isinstance(embed, nn.Embedding):
            raise CheckFailed("the model has no nn.Embedding named `embed`; look the tokens up in self.embed(tokens)")
        leaves: list[Tensor] = []

        def cut(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            leaves.append(output.detach().requires_grad_())
            return leaves[-1]

        handle = embed.register_forward_hook(cut)
        try:
            output = output_of(module, inputs)
        finally:
            handle.remove()
        if not leaves:
            raise CheckFailed("the model never calls self.embed; look the tokens up in self.embed(tokens)")
        return leaves, output

    def extreme_inputs(self) -> dict[str, Tensor]:
        """Return constant sequences: every position the same."""
        return {
            "one token repeated": torch.zeros(2, self.length, dtype=torch.int64),
            "the last token repeated": torch.full((2, self.length), self.vocab_size - 1),
        }

    def language_model(self) -> tuple[nn.Module, int]:
        """Return the model itself."""
        return self.build(), self.vocab_size


@dataclass
class ComponentSubject:
    """A mixer, channel or norm by itself; a modulator too, see `neuramosaic.verify.modulator`.

    Attributes:
        make: Builds it for a model dimension; a modulator also for a `block`.
        width: D of the checks.
        seed: Of the streams that initialisation and inputs come from.
        length: T of the checks.
        mixes: Whether time must be mixed: by a mixer, and by a modulator around a block that does.
        expected_params: Parameters that it must have at `width`, or None.
    """

    make: Callable[..., nn.Module]
    width: int
    seed: int
    length: int
    mixes: bool
    expected_params: int | None = None

    @property
    def out_features(self) -> int:
        """D."""
        return self.width

    def build(self) -> nn.Module:
        """Return a freshly initialised component."""
        with torch_stream(self.seed, "verify", "initialisation"):
            return self.make(self.width)

    def inputs(self, batch: int, length: int, salt: int = 0) -> Tensor:
        """Return standard normal inputs, `(B, T, D)`."""
        generator = torch.Generator().manual_seed(self.seed % 2**32 + salt)
        return torch.randn(batch, length, self.width, generator=generator)

    def forward_with_leaves(self, module: nn.Module, inputs: Tensor) -> tuple[list[Tensor], Tensor]:
        """The input itself is the leaf."""
        leaf = inputs.detach().clone().requires_grad_()
        return [leaf], output_of(module, leaf)

    def extreme_inputs(self) -> dict[str, Tensor]:
        """Return all zeros, and inputs a hundred times too large."""
        inputs = self.inputs(2, self.length)
        return {"an input of zeros": torch.zeros_like(inputs), "an input of size 100": 100.0 * inputs}

    def language_model(self) -> tuple[nn.Module, int]:
        """Return embedding, component, head: without a way around the component, so that it must carry the signal."""
        vocab_size = 64
        component = self.build()
        with torch_stream(self.seed, "verify", "harness"):
            embed, head = nn.Embedding(vocab_size, self.width), nn.Linear(self.width, vocab_size)
        return nn.Sequential(embed, component, head), vocab_size
