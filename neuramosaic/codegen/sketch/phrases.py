"""Expressions of mathematical notation as expressions of a sketch."""

from __future__ import annotations

import re

from neuramosaic.codegen.sketch.reader import NotReadError, read
from neuramosaic.codegen.sketch.signs import MAP, NAME
from neuramosaic.codegen.sketch.sums import rewrite_convolutions, rewrite_sum_over_past

#: `1/t sum_(s<=t)`, `(1 / t) * sum_s`: what a mean of the past begins with.
_MEAN = r"\(?\b1\s*/\s*t\b\)?\s*\*?\s*sum_\(?(?:s\s*<=\s*t\)?|s\b)\s*"

#: Rules that hold anywhere in an expression, in their order: a pattern, and what it becomes.
_FIRST: tuple[tuple[str, str], ...] = (
    (r"\s+in\s+[(\[].*$", ""),  # in (0, 1)
    (r"\bconcat_h\s*\(", "merge_heads("),
    (r"\b(mean|sum|max)_[dc]\b", r"\1"),  # mean_d(z)
    # (q_t / |q_t|) . (k_s / |k_s|)
    (r"\(?\b(\w+)_t\s*/\s*\|\|?\1_t\|\|?\)?\s*(?:\.|\*|@)\s*\(?(\w+)_s\s*/\s*\|\|?\2_s\|\|?\)?", r"cosine(\1, \2)"),
    (r"\b(\w+)\s*/\s*\|\|?\1\|\|?(_2)?", r"normalize(\1)"),  # k / |k|, k / ||k||_2
    (r"\|([^|]+)\|\s*(?=\*\*)", r"abs(\1)"),  # |z| ** p
    (r"\|\|?([^|]+)\|\|?(_2)?", r"norm(\1)"),  # |z|
    (_MEAN + r"(\w+)_s\b", r"running_mean(\1)"),  # 1/t sum_(s<=t) v_s
    (_MEAN + rf"\(?((?:{MAP})\s+\w+)_s\)?", r"running_mean(\1)"),  # 1/t sum_(s<=t) (W_v x_s)
    (r"\b(\w+)\s*\*?\s*(\w+)\.mT\s*/\s*sqrt\((?:d|hd|d_k)\)", r"scores(\1, \2)"),  # q k^T / sqrt(d)
    (r"\)_t\b", ")"),  # (W_q x)_t
    (rf"\(((?:{MAP})\s+{NAME})\)_\(", r"\1_("),  # (W_v x)_(t-1)
    (r"\b(\w+)_t\s*\.\s*(\w+)_s\s*/\s*sqrt\((?:hd|d|d_k|head_dim|d_h)\)", r"scores(\1, \2)"),  # q_t . k_s / sqrt(d)
    (r"\bcos\((\w+?)(?:_t)?,\s*(\w+?)(?:_s)?\)", r"cosine(\1, \2)"),  # cos(q_t, k_s)
    (r"\b(\w+)_t\s*\.\s*(\w+)_s\b", r"(scores(\1, \2) * head_dim ** 0.5)"),  # q_t . k_s
    (r"\bsum_\(?(?:\w+\s*\(?)?s\s*<=\s*t\)?", "sum_s"),  # sum_(s <= t)
)
_LAST: tuple[tuple[str, str], ...] = (
    (r"\b([A-Za-z]\w*)_\(t\s*-\s*1\)", r"shift(\1)"),  # x_(t-1)
    (r"\b([A-Za-z]\w*)_\(t\s*-\s*(\d+)\)", r"shift(\1, \2)"),  # x_(t-2)
    (r"softmax_w\w+\(|softmax_\(?\w*\)?\s*\(", "softmax("),  # softmax_s(
    (r"\bhd\b|\bd_k\b|\bd_h\b", "head_dim"),
)


def rewrite_expression(text: str) -> str:
    """Return an expression, or a line that holds one, in Python; what is not understood stays as it is."""
    for pattern, replacement in _FIRST:
        text = re.sub(pattern, replacement, text)
    if "sum_s" in text:
        text = rewrite_sum_over_past(text)
    text = rewrite_convolutions(text)
    for pattern, replacement in _LAST:
        text = re.sub(pattern, replacement, text)
    try:
        return read(text)
    except NotReadError:
        return text
