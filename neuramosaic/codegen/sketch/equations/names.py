"""Names that equations give to functions, and words that are none."""

from __future__ import annotations

#: Functions by the names that papers give them, in small letters, and what a sketch calls them.
FUNCTIONS = {
    "sigmoid": "sigmoid", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "gelu": "gelu", "silu": "silu",
    "swish": "silu", "softplus": "softplus", "elu": "elu", "exp": "exp", "log": "log", "ln": "log", "sqrt": "sqrt",
    "abs": "abs", "sin": "sin", "cos": "cos", "sign": "sign", "sgn": "sign", "square": "square",
    "logsigmoid": "logsigmoid", "log1p": "log1p", "leakyrelu": "leaky_relu", "leaky_relu": "leaky_relu",
    "relu6": "relu6", "hardtanh": "hardtanh",
    "rms_norm": "rms_norm", "rmsnorm": "rms_norm", "layer_norm": "layer_norm", "layernorm": "layer_norm",
    "ln_norm": "layer_norm", "normalize": "normalize", "normalise": "normalize", "l2norm": "normalize",
    "l2_norm": "normalize", "l2normalize": "normalize", "mean": "mean", "avg": "mean", "var": "var",
    "softmax": "softmax", "concat": "concat", "cat": "concat", "concatenate": "concat", "diag": "diag",
    "max": "max", "min": "min", "topk": "top_k", "top_k": "top_k", "conv": "causal_conv", "conv1d": "causal_conv",
    "causal_conv": "causal_conv", "causalconv": "causal_conv", "shortconv": "causal_conv",
    "logsigm": "logsigmoid", "causalconv1d": "causal_conv", "dwconv": "causal_conv", "shift": "shift",
    "tokenshift": "shift",
    "outer": "outer", "cosine": "cosine", "norm": "norm", "linear": "linear", "clamp": "clamp", "clip": "clamp",
    "cumsum": "cumsum", "rms": "rms", "std": "std", "sum": "sum", "split": "split", "chunk": "split",
    "block": "block", "logcumsumexp": "logcumsumexp",
}  # fmt: skip
#: Functions element by element, which a sketch has under the same name.
ELEMENTWISE = frozenset(
    "sigmoid tanh relu gelu silu softplus elu exp log sqrt abs sin cos sign square logsigmoid log1p leaky_relu relu6 "
    "hardtanh".split()
)
#: Words that are names of sizes and signs in equations, and no prose.
SIZES = frozenset("d_model head_dim heads hd dim hidden infinity inf eps epsilon pi lam lambda".split())
#: Words of what is more than an expression: choices among values, loops with an end of their own, chance.
BEYOND = (
    r"\b(?:otherwise|among|greatest|largest|smallest|strongest|nearest|sorted|ranked|until|halt\w*|repeat\w*"
    r"|iterat\w*|stop\w*|random\w*|sampl\w*|stochastic\w*|dropout|dropped|complex|real part|imaginary|argmax|unless"
    r"|except|threshold|recursive\w*|sparse\w*|skipped|discard\w*|nested|interpolat\w*|spline|fft only|bidirectional"
    r"|non-causal|future|permut\w*|shuffle\w*|rotat\w*|positional|quantiz\w*|quantis\w*|rounded to|detach\w*"
    r"|stop.gradient|normalised to|normalized to|clipped|clamped)\b"
)


def function(name: str) -> str | None:
    """Return what a sketch calls a function of equations, or None if there is none of this name."""
    if name == "LN":
        return "layer_norm"
    if name == "RMS":
        return "rms"
    return FUNCTIONS.get(name.lower())
