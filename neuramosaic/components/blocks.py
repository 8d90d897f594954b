"""Building blocks that generated components may call.

Each is causal, takes any length T, and loops over no positions one by one. What a component uses of them is written
into its own file (`neuramosaic.codegen.inlining`). `linear_scan` and `chunked_recurrence`, which stand in the
components that they came with, belong to them too.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from neuramosaic.components.mixers.min_gru import linear_scan
from neuramosaic.components.mixers.recurrence import MAX_LOG_DECAY, chunked_recurrence


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return `x`, shape (B, T, heads * hd), as (B, heads, T, hd)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Return `x`, shape (B, heads, T, hd), as (B, T, heads * hd)."""
    return x.transpose(1, 2).flatten(2)


def shift(x: Tensor, steps: int = 1) -> Tensor:
    """Return x_(t - steps) for all t, zeros before the beginning, for `x` of (B, T, D)."""
    return F.pad(x, (0, 0, steps, 0))[:, : x.shape[1]]


def causal_conv(x: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """Return sum_i weight[:, i] * x_(t - i * dilation) per channel, for `x` of (B, T, D) and `weight` of (D, K)."""
    past = F.pad(x.transpose(1, 2), (dilation * (weight.shape[1] - 1), 0))
    taps = weight.flip(1).unsqueeze(1)
    return F.conv1d(past, taps, dilation=dilation, groups=weight.shape[0]).transpose(1, 2)


def running_mean(x: Tensor, window: int | None = None) -> Tensor:
    """Return the mean of x_0 ... x_t for all t, or of the last `window` positions, for `x` of (B, T, D).

    With a window, the positions before the beginning count as zeros.
    """
    if window is None:
        count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        return x.cumsum(dim=1) / count.unsqueeze(-1)
    taps = x.new_full((x.shape[-1], window), 1 / window)
    return causal_conv(x, taps)


def running_weighted_mean(x: Tensor, logits: Tensor) -> Tensor:
    """Return sum_(s<=t) exp(logits_s) x_s / sum_(s<=t) exp(logits_s) for all t, for `x` and `logits` of (B, T, D)."""
    total = logits.logcumsumexp(dim=1)
    # h_t = (1 - w_t) h_(t-1) + w_t x_t with w_t the share of step t: no sum that could overflow.
    share = (logits - total).exp()
    return linear_scan(1 - share, share * x)


def gate_share(a: Tensor, b: Tensor) -> Tensor:
    """Return a / (a + b) for `a`, `b` >= 0 of one shape; 1/2 where both are nought, so that it is finite everywhere."""
    least = 1e-18
    a, b = a.clamp(min=least), b.clamp(min=least)
    return a / (a + b)


def weighted_taps(x: Tensor, weights: Tensor) -> Tensor:
    """Return sum_i weights[..., i] * x_(t - i), for `x` of (B, T, D) and `weights` of (B, T, K)."""
    past = F.pad(x, (0, 0, weights.shape[-1] - 1, 0)).unfold(1, weights.shape[-1], 1)  # (B, T, D, K), the latest last
    return torch.einsum("btdk,btk->btd", past, weights.flip(-1))


def causal_softmax(scores: Tensor, window: int | None = None) -> Tensor:
    """Return softmax weights over the keys j <= i, for `scores` of (..., T, T): query i, key j.

    With a window, over the last `window` keys.
    """
    unseen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    if window is not None:
        unseen = unseen | torch.ones_like(unseen).tril(-window)
    return scores.masked_fill(unseen, -math.inf).softmax(dim=-1)


def sink_softmax(scores: Tensor, sink: Tensor) -> Tensor:
    """Return exp(scores_ij) / (exp(sink) + sum_(l<=i) exp(scores_il)) for j <= i, else 0.

    Args:
        scores: Shape (B, H, T, T): query i, key j.
        sink: A logit per head, shape (H or 1, 1, 1).
    """
    unseen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    seen = scores.masked_fill(unseen, -math.inf)
    extra = sink.to(seen.dtype).expand(*seen.shape[:-3], seen.shape[-3], seen.shape[-2], 1)
    return torch.cat((seen, extra), dim=-1).softmax(dim=-1)[..., :-1]


def key_distance(x: Tensor) -> Tensor:
    """Return t - s for all pairs of positions of `x`, shape (B, T, D): a tensor of (T, T), 0 where s > t."""
    place = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
    return (place[:, None] - place[None]).clamp(min=0)


def sum_between(x: Tensor) -> Tensor:
    """Return the sum of x_r over s < r <= t for all t and s, for `x` of (..., T, 1): (..., T, T), 0 where s > t."""
    total = x.cumsum(dim=-2)
    return (total - total.mT).tril()


def causal_attention(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """Return softmax attention over all positions up to t, for `q`, `k`, `v` of (B, H, T, hd); scale: hd**-0.5."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)


def windowed_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float | None = None) -> Tensor:
    """Return softmax attention over the last `window` positions, for `q`, `k`, `v` of (B, H, T, hd), in linear time."""
    T = q.shape[2]
    size = min(window, T)
    q, k, v = (F.pad(part, (0, 0, 0, -T % size)).unflatten(2, (-1, size)) for part in (q, k, v))  # (B, H, N, W, hd)
    # Each block sees the keys of the block before it and its own.
    k, v = (torch.cat((F.pad(part, (0, 0, 0, 0, 1, -1)), part), dim=3) for part in (k, v))
    query = torch.arange(size, 2 * size, device=q.device)[:, None]
    key = torch.arange(2 * size, device=q.device)[None]
    seen = ((key <= query) & (key > query - window)).repeat(q.shape[2], 1, 1)
    seen[0, :, :size] = False  # nothing comes before the first block
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale).flatten(2, 3)[:, :, :T]


def matrix_scan(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None = None) -> Tensor:
    """Return q_t S_t with S_t = exp(log_decay_t) S_(t-1) + k_t v_t^T, a matrix per head.

    Args:
        q: Queries, shape (B, H, T, K).
        k: Keys, shape (B, H, T, K).
        v: Values, shape (B, H, T, V).
        log_decay: Not above 0; a number per head and position, shape (B, H, T, 1), or per key channel too, shape
            (B, H, T, K), then cut off at -MAX_LOG_DECAY. B, H and T may be 1. None: no decay.

    Returns:
        Shape (B, H, T, V), in single precision at least.
    """
    return delta_scan(q, k, v, None, log_decay)


def delta_scan(q: Tensor, k: Tensor, v: Tensor, strength: Tensor | None, log_decay: Tensor | None = None) -> Tensor:
    """Return q_t S_t with S_t = S' + strength_t k_t (v_t - k_t^T S')^T and S' = exp(log_decay_t) S_(t-1), per head.

    Args:
        q: Queries, shape (B, H, T, K).
        k: Keys, shape (B, H, T, K); brought to length 1.
        v: Values, shape (B, H, T, V).
        strength: In [0, 1], shape (B, H, T, 1); None writes k_t v_t^T, keys as they are, and corrects nothing.
        log_decay: As for `matrix_scan`.

    Returns:
        As `matrix_scan` does.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    with torch.autocast(q.device.type, enabled=False):  # sums of logarithms need full precision
        q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
        scalar, vector = None, None
        if log_decay is not None and log_decay.shape[-1] == 1:
            scalar = log_decay.to(dtype).expand(-1, -1, q.shape[2], -1)
        elif log_decay is not None:
            vector = log_decay.to(dtype).clamp(min=-MAX_LOG_DECAY).expand_as(k)
        if strength is None:
            return chunked_recurrence(q, k, v, 1.0, scalar, vector)
        return chunked_recurrence(q, F.normalize(k, dim=-1), v, strength.to(dtype), scalar, vector, delta=True)


def kernel_attention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None = None) -> Tensor:
    """Return sum_(s<=t) w_ts v_s / sum_(s<=t) w_ts with w_ts = q_t . k_s >= 0, in linear time.

    Args:
        q: Queries mapped to what is not negative (elu + 1, relu, exp ...), shape (B, H, T, K).
        k: Keys, likewise.
        v: Values, shape (B, H, T, V).
        log_decay: As for `matrix_scan`; weights then fade with distance.

    Returns:
        As `matrix_scan` does; zeros where all weights are.
    """
    both = matrix_scan(q, k, F.pad(v, (0, 1), value=1.0), log_decay)
    return both[..., :-1] / (both[..., -1:] + 1e-6)
