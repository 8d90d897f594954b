"""Sums over the past, over windows and of convolutions, as the functions that compute them."""

from __future__ import annotations

import re

from neuramosaic.codegen.sketch.signs import MAP, NAME, closed

#: `W_v x_(t - i)`, `x_(t - 2 * i)`: a value some steps back, perhaps behind a map.
_STEPS_BACK = rf"((?:{MAP})\s+)?\(?([A-Za-z][\w.]*)\)?_\(t\s*-\s*(\d*)\s*\*?\s*i\)"
#: `sum_(i<K) w_i * (a * b)_(t`: a sum over a bracket.
_OVER_BRACKET = re.compile(r"(sum_\(?i\s*<\s*\w+\)?\s*(?:\w+_i\s*\*?\s*)?)\(([^()]+)\)_\(t")
_CONVOLUTION = re.compile(rf"sum_\(?i\s*<\s*(\w+)\)?\s*\w+_i\s*\*?\s*{_STEPS_BACK}")  # sum_(i<K) w_i * x_(t-i)
_OVER_WINDOW = re.compile(rf"sum_\(?i\s*<\s*(\w+)\)?\s*{_STEPS_BACK}")  # sum_(i<K) x_(t-i)
#: `max_(j < k) (W_j x + b_j)`: the greatest of several maps.
_GREATEST_MAP = re.compile(r"max_\(?\w+\s*<=?\s*(\w+)\)?\s*\(?\s*W_j\s*\(?(\w+)\)?(?:\s*\+\s*b_j)?\s*\)?")
#: `weights_ts v_s ...` behind `sum_s`: the last value that has the index s is what is summed.
_WEIGHTED_VALUE = re.compile(r"(.+?)\s*\*?\s*\b(?!softmax)(\w+)_s\b(?!\s*\()(.*)$")
_SOFTMAX = re.compile(r"\(?softmax(?:_w(\w+)|_\(?\w*\)?)?\s*\((.*)\)")  # softmax_w16(scores(q, k)), softmax_s(...)


def rewrite_convolutions(text: str) -> str:
    """Rewrite `sum_(i<K) w_i * z_(t-i)` as a convolution, without weights as a mean; maxima over maps, too."""
    text = _OVER_BRACKET.sub(_packed_sum, text)
    text = _CONVOLUTION.sub(_convolution, text)
    text = _OVER_WINDOW.sub(_windowed_sum, text)
    return _GREATEST_MAP.sub(_greatest, text)


def _packed_sum(match: re.Match[str]) -> str:
    """Give the bracket that a sum goes over the form of a name, so that the rules for names hold for it."""
    if re.fullmatch(rf"(?:{MAP})\s+{NAME}", match[2]):
        return f"{match[1]}{match[2]}_(t"
    return f"{match[1]}packed_{match[2].encode().hex()}_(t"


def _summed(match: re.Match[str]) -> str:
    """Return what a sum goes over, unpacked."""
    wrapper, name = (match[2] or "").strip(), match[3]
    if wrapper:
        return f"{wrapper}({name})"
    packed = re.fullmatch(r"packed_((?:[0-9a-f]{2})+)", name)
    return f"({bytes.fromhex(packed[1]).decode(errors='replace')})" if packed else name


def _convolution(match: re.Match[str]) -> str:
    return f"causal_conv({_summed(match)}, {match[1]}{', ' + match[4] if match[4] else ''})"


def _windowed_sum(match: re.Match[str]) -> str:
    return f"({match[1]} * running_mean({_summed(match)}, {match[1]}))"


def _greatest(match: re.Match[str]) -> str:
    return f"group_max(linear({match[2]}, {match[1]} * d_model), {match[1]})"


def rewrite_sum_over_past(text: str) -> str:
    """Rewrite `sum_s weights v_s`: attention, windowed where the softmax says so."""
    head, _, rest = text.partition("sum_s")
    match = _WEIGHTED_VALUE.match(rest.strip())
    if match is None:
        return text
    weights, values, tail = match[1].strip().rstrip("*").strip(), match[2], match[3]
    if weights.startswith("(") and weights.endswith(")") and closed(weights[1:-1]):
        weights = weights[1:-1].strip()
    softmax = _SOFTMAX.fullmatch(weights)
    if softmax is None:
        is_of_pairs = re.search(r"scores|cosine", weights) is not None
        made = f"causal({weights}) @ {values}" if is_of_pairs else f"running_mean({weights} * {values}) * positions()"
    elif softmax[1] is None:
        made = f"causal_softmax({softmax[2]}) @ {values}"
    else:
        windowed = _window_attention(softmax[2], values, softmax[1])
        if windowed is None:
            return text
        made = windowed
    return f"{head}({made}){tail}"


def _window_attention(logits: str, values: str, window: str) -> str | None:
    """Return attention over a window; what multiplies the logits goes to the queries."""
    pair = re.search(r"(scores|cosine)\((\w+), (\w+)\)", logits)
    if pair is None:
        return None
    is_cosine = pair[1] == "cosine"
    queries = f"normalize({pair[2]}) * head_dim ** 0.5" if is_cosine else pair[2]
    keys = f"normalize({pair[3]})" if is_cosine else pair[3]
    return f"window_attention({logits.replace(pair[0], queries)}, {keys}, {values}, {window})"
