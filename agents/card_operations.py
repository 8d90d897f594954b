"""The operations that an edit can do to a quantity of a component, in the notation of cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a quantity is, as far as it decides what can be done to it."""

    VALUE = "value"  # a vector for each position
    GATE = "gate"  # a value in (0, 1), which has to stay there
    INPUT = "input"  # the input x
    LOGITS = "logits"  # a number for each pair of positions
    ACTIVATION = "activation"  # a function and its argument


@dataclass(frozen=True)
class Operation:
    """What is done to a quantity.

    Attributes:
        key: A name for it.
        phrase: What it does, as the end of a sentence, such as "{is_} squared".
        words: What an idea says that speaks of it, a regular expression.
        template: What takes the quantity's place; `{e}` is the quantity as it was, `{b}` its bare name, `{own}` the
            bare name of what takes its place, `{g}` and `{m}` new symbols, `{half}` half of its channels.
        facts: Lines that say what the new symbols are.
        kinds: The kinds of quantity that it makes sense for.
        in_time: Whether it carries information from earlier positions.
        idle: Whether a learned map before or behind could do the same, so that it is only worth it if asked for.
        alone: Whether the word that names it may also name the quantity.
    """

    key: str
    phrase: str
    words: str
    template: str
    facts: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset({Kind.VALUE})
    in_time: bool = False
    idle: bool = False
    alone: bool = False

    def write(self, quantity: str, symbols: Mapping[str, str], *, plain: bool = False) -> tuple[str, tuple[str, ...]]:
        """Return the expression, and the lines that explain its symbols.

        Args:
            quantity: The quantity's name without its index of the position, or with `plain` an expression.
            symbols: What stands for the other names of the template.
            plain: Whether the quantity is an expression.
        """
        names = {**symbols, "b": quantity, "e": quantity if plain else f"{quantity}_t"}
        return self.template.format(**names), tuple(fact.format(**names) for fact in self.facts)


_VALUE = frozenset({Kind.VALUE})
_MIXED = frozenset({Kind.VALUE, Kind.INPUT})
_GATE = frozenset({Kind.GATE})
_LOGITS = frozenset({Kind.LOGITS})
_ACTIVATION = frozenset({Kind.ACTIVATION})
_SCALE = "a learned scale {g} per channel starting at 1"
_BIAS = "a learned bias {g} per channel starting at 0"


def _activation(key: str, phrase: str, words: str, template: str, facts: tuple[str, ...] = ()) -> Operation:
    return Operation(key, f"{{is_}} {phrase}", words, template, facts, _ACTIVATION, alone=True)


OPERATIONS = (
    Operation(
        "power",
        "{is_} raised to a learned power per channel, sign kept",
        r"power|exponent|sharpen\w*",
        "sign({e}) * (abs({e}) + 0.01)^{g}",
        (_SCALE,),
    ),
    Operation(
        "scaled",
        "{is_} multiplied by a learned number per channel",
        r"\bscal\w+|\bgains?\b|rescal\w+|learned weight",
        "{g} * {e}",
        (_SCALE,),
        idle=True,
    ),
    Operation(
        "gated",
        "{is_} multiplied by a sigmoid gate of the input",
        r"\bgat(?:ed?|es|ing)\b|sigmoid",
        "{e} * sigmoid(W_{g} x_t)",
    ),
    Operation(
        "normalised",
        "{is_} brought to length one",
        r"unit[- ](?:length|norm)|length one|normali[sz]\w+|cosine",
        "normalize({e})",
    ),
    Operation(
        "rms_normed", "{is_} divided by the root mean square", r"\brms\b|root[- ]mean[- ]square\w*", "rms_norm({e})"
    ),
    Operation(
        "mixed",
        "{is_} mixed with the previous position's, in learned shares per channel",
        r"previous|predecessor|\bshift\w*|neighbou?r\w*|token before",
        "{m} * {e} + (1 - {m}) * {b}_(t-1), {m} = sigmoid({g})",
        (_BIAS,),
        _MIXED,
        in_time=True,
    ),
    Operation(
        "convolved",
        "{is_} passed through a short causal convolution of 4 taps",
        r"convol\w+|\btaps?\b|filter\w*",
        "sum_(i<4) {m}_i * {b}_(t-i)",
        (),
        _MIXED,
        in_time=True,
    ),
    Operation(
        "leaky",
        "{is_} averaged over the past with a learned decay per channel",
        r"leak\w+|moving average|running average|smooth\w*|exponential\w* (?:moving )?averag\w*|trace",
        "{m} * {own}_(t-1) + (1 - {m}) * {e}, {m} = sigmoid({g})",
        (_BIAS,),
        in_time=True,
    ),
    Operation(
        "centred",
        "{is_} reduced by the mean of all so far",
        r"cent(?:red|ered)|subtract\w*[^,;.]* mean|minus [^,;.]*mean",
        "{e} - 1/t sum_(s<=t) {b}_s",
        (),
        in_time=True,
    ),
    Operation(
        "changes",
        "{is_} replaced by the change since the previous position",
        r"differen\w+|\bchanges? (?:since|from|between|over)|derivative",
        "{e} - {b}_(t-1)",
        in_time=True,
    ),
    Operation(
        "sine_gated",
        "{is_} multiplied by the sine of a learned multiple of the same per channel",
        r"sin(?:e|us)? of (?:it|them)sel(?:f|ves)|own sine",
        "{e} * sin({g} * {e})",
        (_SCALE,),
    ),
    Operation("squared", "{is_} squared", r"squar\w+", "{e}^2"),
    Operation("cubed", "{is_} cubed", r"cub(?:ed|es?|ic)\b", "{e}^3"),
    Operation(
        "paired",
        "{is_} multiplied by a second learned map of the input",
        r"second (?:learned |linear )*map|bilinear|multiplicative|multiplied by (?:a|another) (?:learned |linear )*map",
        "{e} * (W_{g} x_t)",
    ),
    Operation(
        "biased", "{is_} shifted by a learned bias per channel", r"\bbias\w*|offsets?", "{e} + {g}", (_BIAS,), idle=True
    ),
    Operation(
        "waves",
        "{is_} passed through a sine with a learned frequency per channel",
        r"\bsin(?:e|us|usoid\w*)?\b|periodic|oscillat\w*",
        "sin({g} * {e})",
        (_SCALE,),
    ),
    Operation("bounded", "{is_} bounded by a tanh", r"tanh|bounded|saturat\w*|clipp\w*|squash\w*", "tanh({e})"),
    Operation("rectified", "{is_} cut off below zero", r"rectif\w+|relu|non-?negative|positive part", "relu({e})"),
    Operation("silu", "{is_} passed through a SiLU", r"silu|swish", "silu({e})"),
    Operation(
        "soft", "{is_} turned into a softmax over the channels", r"softmax|probabilit\w+|distribution", "softmax({e})"
    ),
    Operation(
        "sparse",
        "{is_} zeroed but for the strongest half of the channels",
        r"strongest|sparse|winner\w*|compet\w+|top[- ]k",
        "top_k({e}, {half})",
    ),
    # gates
    Operation(
        "floored",
        "{is_} kept above a tenth",
        r"floor|at least|never (?:quite )?clos\w+|never (?:fully|quite)? ?forget\w*|lower bound|leaky",
        "0.1 + 0.9 * {e}",
        (),
        _GATE,
    ),
    Operation("squared_gate", "{is_} squared", r"squar\w+", "{e} * {e}", (), _GATE),
    Operation(
        "delayed",
        "{is_} mixed half and half with the previous position's",
        r"previous|delay\w*|shift\w*|neighbou?r\w*|token before",
        "0.5 * {e} + 0.5 * {b}_(t-1)",
        (),
        _GATE,
        in_time=True,
    ),
    Operation(
        "powered_gate",
        "{is_} raised to a learned positive power",
        r"power|exponent|sharpen\w*",
        "{e}^exp({g})",
        (_BIAS,),
        _GATE,
    ),
    Operation(
        "doubled_gate",
        "{is_} multiplied by a second sigmoid gate of the input",
        r"second gate|two gates|double\w*|\bgat(?:ed|ing)\b",
        "{e} * sigmoid(W_{g} x_t)",
        (),
        _GATE,
    ),
    # logits
    Operation(
        "tempered",
        "{is_} multiplied by a learned temperature per head",
        r"temperature|\bscal\w+|sharpen\w*|inverse temperature",
        "{g} * ({e})",
        ("a learned temperature {g} per head starting at 1",),
        _LOGITS,
    ),
    Operation(
        "capped",
        "{is_} bounded by 5 tanh(. / 5)",
        r"tanh|bounded|cap(?:s|ped)?\b|saturat\w*|clip\w*",
        "5 * tanh(({e}) / 5)",
        (),
        _LOGITS,
    ),
    Operation(
        "cosine",
        "{is_} replaced by the cosine of query and key, times a learned temperature per head",
        r"cosine",
        "{g} * cos(q_t, k_s)",
        ("a learned temperature {g} per head starting at 5",),
        _LOGITS,
        alone=True,
    ),
    Operation(
        "distance",
        "{is_} lowered with the distance, at a learned rate per head",
        r"distance|decay\w*|fad\w+|recen\w+|farther",
        "{e} - exp({g}) * (t - s)",
        ("a learned temperature {g} per head starting at -3",),
        _LOGITS,
    ),
    Operation(
        "rectified_logits", "{is_} cut off below zero", r"rectif\w+|relu|non-?negative", "relu({e})", (), _LOGITS
    ),
    # activations
    _activation(
        "sine",
        "a sine with a learned frequency per hidden unit",
        r"\bsin(?:e|us|usoid\w*)?\b|periodic",
        "sin({g} * {e})",
        (_SCALE,),
    ),
    _activation("gelu", "a GELU", r"gelu", "gelu({e})"),
    _activation("silu", "a SiLU", r"silu|swish", "silu({e})"),
    _activation("tanh", "a tanh", r"tanh|hyperbolic tangent", "tanh({e})"),
    _activation("softplus", "a softplus", r"softplus", "softplus({e})"),
    _activation("absolute", "the absolute value", r"absolute|modulus", "abs({e})"),
    _activation(
        "relu_power",
        "a ReLU raised to a learned power per hidden unit",
        r"power|exponent",
        "(relu({e}) + 0.01)^{g}",
        (_SCALE,),
    ),
    _activation("bump", "a Gaussian bump exp(-z^2)", r"gauss\w*|bump|radial", "exp(-({e})^2)"),
    _activation("self_gate", "the value times the tanh of its softplus (Mish)", r"mish", "({e}) * tanh(softplus({e}))"),
    _activation(
        "none",
        "nothing: the map is linear",
        r"linear (?:layer|map)|no activation|without (?:an? )?(?:activation|nonlinearity)",
        "({e})",
    ),
)
"""All operations, in the order in which ties are broken."""
