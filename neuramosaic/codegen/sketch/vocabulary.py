"""The functions of a sketch, all of them, and what else they are called."""

from __future__ import annotations

from neuramosaic.codegen.sketch.along_time import ALONG_TIME
from neuramosaic.codegen.sketch.attention import ATTENTION
from neuramosaic.codegen.sketch.channels import CHANNELS
from neuramosaic.codegen.sketch.functions import Function
from neuramosaic.codegen.sketch.parameters import PARAMETERS

FUNCTIONS: dict[str, Function] = {**PARAMETERS, **ATTENTION, **ALONG_TIME, **CHANNELS}

#: What functions are also called.
OTHER_NAMES = {
    "Linear": "linear", "dense": "linear", "proj": "linear", "conv": "causal_conv", "conv1d": "causal_conv",
    "windowed_attention": "window_attention", "sliding_window_attention": "window_attention",
    "local_attention": "window_attention", "causal_attention": "attention", "softmax_attention": "attention",
    "delay": "shift", "scan": "recur", "ema": "recur", "linear_scan": "recur", "recurrence": "recur",
    "layernorm": "layer_norm", "rmsnorm": "rms_norm", "l2norm": "normalize", "normalise": "normalize",
    "max": "maximum", "min": "minimum", "cat": "concat", "concatenate": "concat", "pow": "power",
    "head": "split_heads", "heads_of": "split_heads", "tril": "causal", "cosine_similarity": "cosine",
    "topk": "top_k", "per_head": "param_per_head", "scalar": "param_number", "average": "running_mean",
    "cummean": "running_mean", "parameter": "param", "Parameter": "param",
}  # fmt: skip
_BUILT_INTO_THE_COMPILER = ("block", "f", "clamp")


def vocabulary() -> tuple[str, ...]:
    """Return a line for each function that is worth showing, as a prompt has them."""
    return tuple(f"{item.signature}: {item.summary}" for item in FUNCTIONS.values() if item.summary)


def is_known(name: str) -> bool:
    """Whether a function of this name, or one that it is also called, exists."""
    return name in FUNCTIONS or name in OTHER_NAMES or name in _BUILT_INTO_THE_COMPILER
