"""The built-in components: what the laboratory knows of each, beside its source file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from neuramosaic.components.spec import ComponentSpec, CostClass, Slot
from neuramosaic.space.domains import Categorical, Integer, Parameter

_HEADS = Categorical("heads", (1, 2, 4, 8), default=4)
_EXPANSION = Integer("expansion", 1, 4, default=4)


def _spec(slot: Slot, name: str, class_name: str, summary: str, *domains: Parameter, **fields: Any) -> ComponentSpec:
    path = Path(__file__).parent / f"{slot}s" / f"{name}.py"
    source = path.read_text(encoding="utf-8")
    return ComponentSpec(name, slot, class_name, summary, source, hyperparameters=domains, **fields)


def _mixers() -> tuple[ComponentSpec, ...]:
    return (
        _spec(
            Slot.MIXER,
            "attention",
            "Attention",
            "Softmax attention with grouped queries",
            _HEADS,
            Categorical("kv_heads", (1, 2, 4, 8), default=4),
            paper="2305.13245",
            cost=CostClass.QUADRATIC,
            uses_position=True,
            traits={"attention": True, "state": "cache", "recurrent": False, "gated": False},
        ),
        _spec(
            Slot.MIXER,
            "sliding_attention",
            "SlidingAttention",
            "Softmax attention over the last positions only",
            _HEADS,
            Categorical("window", (16, 32, 64, 128), default=64),
            paper="2004.05150",
            uses_position=True,
            traits={"attention": True, "state": "window", "recurrent": False, "gated": False},
        ),
        _spec(
            Slot.MIXER,
            "recurrence",
            "Recurrence",
            "Linear recurrence over a matrix state: linear attention, RetNet, GLA, DeltaNet and what lies between",
            _HEADS,
            Categorical("decay", ("none", "fixed", "scalar", "vector"), default="scalar"),
            Categorical("write", ("additive", "delta", "hebbian"), default="delta"),
            Categorical("feature_map", ("identity", "elu", "normalised", "softmax"), default="normalised"),
            Categorical("output_gate", ("none", "sigmoid", "silu"), default="silu"),
            Categorical("short_conv", (0, 4), default=4),
            Categorical("output_norm", (True, False), default=True),
            paper="2412.06464",
            traits={"attention": False, "state": "matrix", "recurrent": True, "gated": True},
        ),
        _spec(
            Slot.MIXER,
            "ssm",
            "SSM",
            "Selective state-space model in its SSD form (Mamba-2)",
            _HEADS,
            Categorical("state", (16, 32, 64), default=16),
            Integer("expansion", 1, 2, default=1),
            paper="2405.21060",
            traits={"attention": False, "state": "matrix", "recurrent": True, "gated": True},
        ),
        _spec(
            Slot.MIXER,
            "min_gru",
            "MinGRU",
            "Gated recurrent unit that is scanned in parallel",
            Integer("expansion", 1, 3, default=1),
            paper="2410.01201",
            traits={"attention": False, "state": "vector", "recurrent": True, "gated": True},
        ),
        _spec(
            Slot.MIXER,
            "gated_conv",
            "GatedConv",
            "Gated causal depthwise convolution",
            Categorical("kernel", (4, 8, 16, 32), default=16),
            paper="1612.08083",
            traits={"attention": False, "state": "window", "recurrent": False, "gated": True},
        ),
    )


def _channels() -> tuple[ComponentSpec, ...]:
    return (
        _spec(
            Slot.CHANNEL,
            "mlp",
            "MLP",
            "Two-layer perceptron with GELU",
            _EXPANSION,
            paper="1606.08415",
            traits={"gated": False, "sparse": False},
        ),
        _spec(
            Slot.CHANNEL,
            "swiglu",
            "SwiGLU",
            "Gated linear unit with SiLU",
            _EXPANSION,
            paper="2002.05202",
            traits={"gated": True, "sparse": False},
        ),
        _spec(
            Slot.CHANNEL,
            "squared_relu",
            "SquaredReLU",
            "Two-layer perceptron with squared ReLU",
            _EXPANSION,
            paper="2109.08668",
            traits={"gated": False, "sparse": True},
        ),
        _spec(
            Slot.CHANNEL,
            "moe",
            "MixtureOfExperts",
            "Mixture of experts, the best few per position",
            Categorical("experts", (2, 4, 8), default=4),
            Integer("top_k", 1, 2, default=2),
            Integer("expansion", 1, 2, default=1),
            paper="2101.03961",
            traits={"gated": True, "sparse": True},
        ),
        _spec(
            Slot.CHANNEL,
            "kwta",
            "KWinners",
            "Perceptron whose strongest hidden units alone fire",
            _EXPANSION,
            Categorical("fraction", (0.1, 0.25, 0.5), default=0.25),
            paper="1903.11257",
            traits={"gated": False, "sparse": True, "brain_inspired": True},
        ),
    )


def _norms() -> tuple[ComponentSpec, ...]:
    return (
        _spec(Slot.NORM, "layer_norm", "LayerNorm", "Layer normalisation", paper="1607.06450"),
        _spec(Slot.NORM, "rms_norm", "RMSNorm", "Root-mean-square normalisation", paper="1910.07467"),
        _spec(Slot.NORM, "dyt", "DyT", "Dynamic tanh in the place of a normalisation", paper="2503.10622"),
    )


def _positions() -> tuple[ComponentSpec, ...]:
    # relative: acts only within the mixers that take `position`; identity: does nothing at all.
    return (
        _spec(
            Slot.POSITION,
            "none",
            "NoPosition",
            "No positions",
            paper="2203.16634",
            traits={"relative": False, "identity": True},
        ),
        _spec(
            Slot.POSITION,
            "learned",
            "LearnedPosition",
            "A learned vector per position",
            paper="1706.03762",
            traits={"relative": False},
        ),
        _spec(Slot.POSITION, "rope", "RoPE", "Rotary positions", paper="2104.09864", traits={"relative": True}),
        _spec(
            Slot.POSITION,
            "alibi",
            "ALiBi",
            "Linear biases of the attention logits",
            paper="2108.12409",
            traits={"relative": True},
        ),
    )


def _residuals() -> tuple[ComponentSpec, ...]:
    return (
        _spec(Slot.RESIDUAL, "pre", "PreNorm", "Norm before mixer and channel", paper="2002.04745"),
        _spec(Slot.RESIDUAL, "post", "PostNorm", "Norm after each addition", paper="1706.03762"),
        _spec(Slot.RESIDUAL, "sandwich", "SandwichNorm", "Norm before and after each part", paper="2105.13290"),
        _spec(Slot.RESIDUAL, "parallel", "ParallelBlock", "Mixer and channel side by side", paper="2204.02311"),
    )


def _modulators() -> tuple[ComponentSpec, ...]:
    return (
        _spec(
            Slot.MODULATOR,
            "top_down",
            "TopDown",
            "Top-down feedback over two weight-shared passes",
            paper="2303.13043",
            traits={"passes": 2, "brain_inspired": True},
        ),
    )


@cache
def built_in() -> tuple[ComponentSpec, ...]:
    """Return the specs of the built-in components, slot by slot."""
    return (*_mixers(), *_channels(), *_norms(), *_positions(), *_residuals(), *_modulators())
