"""Which functions of a sketch a card's equations speak of: what they look like on paper, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from neuramosaic.components.card import Card

#: What equations and summaries hold, and the functions that compute it.
_SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\(I - .*\) ?S_\(t-1\)|delta rule|k_t\^T S", ("delta_scan",)),
    (r"k_t v_t\^T|v_t k_t\^T|k_t \S+ v_t|outer product|fast.?weight|matrix state", ("matrix_scan",)),
    (r"sum.*phi\(.*\) / |normalised linear attention|/ \(.*z_t|/ sum_.*k_s", ("kernel_attention",)),
    (r"\bh_\(t-1\)|\b[a-z]_\(t-1\) ?\+|moving average|gated recurren|\* [a-z]_\(t-1\)", ("recur",)),
    (r"exp\(k_s\)|sum.* exp\(.*\) \*? ?v", ("running_weighted_mean",)),
    (r"softmax", ("causal_softmax", "scores")),
    (r"window|t ?- ?\w+ ?< ?s|local attention|last \w+ positions", ("window_attention",)),
    (r"cos\(|cosine", ("cosine",)),
    (r"conv|sum_\(?i ?< ?\w+\)? ?\w+_?i? ?\*", ("causal_conv",)),
    (r"x_\(t-1\)|x_\{t-1\}|token before|shift|previous", ("shift",)),
    (r"mean.*(past|s ?<= ?t)|\(1/t\)|running|cumulative|average of", ("running_mean",)),
    (r"1/t|/ ?t\b|sqrt\(t\)", ("positions",)),
    (r"per head|head h|_h\b", ("param_per_head", "head_index")),
    (r"learned|vector|per channel|\bg \*|\*? ?g\b", ("param",)),
    (r"(?<!soft)max|greatest", ("maximum", "group_max")),
    (r"top.?k|strongest|largest k|k greatest", ("top_k",)),
    (r"block|f\(", ("block",)),
    (r"rms_?norm|root.mean.square", ("rms_norm",)),
    (r"\|.*\||normalis|unit length|norm\(", ("normalize", "norm")),
    (r"mean\(|variance", ("mean",)),
    (r"concat|\[.*;.*\]|side by side", ("concat",)),
)
_ATTENTION = {"causal_softmax", "scores", "window_attention", "cosine"}


def suggest(card: Card) -> tuple[str, ...]:
    """Return the functions that may serve for a card, the most special ones first."""
    text = "\n".join([card.summary, *card.equations])
    found = [name for sign, names in _SIGNS if re.search(sign, text, re.IGNORECASE) for name in names]
    if str(card.slot) != "mixer":
        found = [name for name in found if name not in _ATTENTION]
    if str(card.slot) != "modulator":
        found = [name for name in found if name != "block"]
    return tuple(dict.fromkeys(found))


def overlap(wanted: Iterable[str], sketch: str) -> float:
    """Return the share of functions that a sketch has of those wanted, and wants of those that it has."""
    special = {name for _, names in _SIGNS for name in names}
    used = {name for name in re.findall(r"\b(\w+)\(", sketch) if name in special}
    asked = set(wanted)
    return len(used & asked) / len(used | asked) if used | asked else 0.0
