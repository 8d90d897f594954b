"""Building blocks against their equations, computed one position at a time: values, gradients, causality, lengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neuramosaic.codegen.inlining import block_names
from neuramosaic.components import blocks
from neuramosaic.components.mixers.recurrence import CHUNK

LENGTHS = (1, 2, 7, CHUNK, CHUNK + 1, 2 * CHUNK + 5)
B, H, K, V, D = 2, 3, 4, 5, 6


def stacked(x: Tensor, output: Callable[[int], Tensor], dim: int = 1) -> Tensor:
    return torch.stack([output(t) for t in range(x.shape[dim])], dim=dim)


def slow_shift(x: Tensor, steps: int) -> Tensor:
    return stacked(x, lambda t: x[:, t - steps] if t >= steps else torch.zeros_like(x[:, 0]))


def slow_conv(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    return sum(weight[:, i] * slow_shift(x, i * dilation) for i in range(weight.shape[1]))


def slow_mean(x: Tensor, window: int | None) -> Tensor:
    first = (lambda t: 0) if window is None else (lambda t: max(0, t - window + 1))
    return stacked(x, lambda t: x[:, first(t) : t + 1].sum(1) / (window or t + 1))


def slow_weighted_mean(x: Tensor, logits: Tensor) -> Tensor:
    return stacked(x, lambda t: (logits[:, : t + 1].softmax(1) * x[:, : t + 1]).sum(1))


def slow_scan(a: Tensor, b: Tensor) -> Tensor:
    states = [b[:, 0]]
    for t in range(1, b.shape[1]):
        states.append(a[:, t] * states[-1] + b[:, t])
    return torch.stack(states, dim=1)


def slow_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float | None = None) -> Tensor:
    """The quadratic formula."""
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    age = torch.arange(q.shape[2])[:, None] - torch.arange(q.shape[2])
    return scores.masked_fill((age < 0) | (age >= window), -math.inf).softmax(-1) @ v


def slow_memory(q: Tensor, k: Tensor, v: Tensor, strength: Tensor | None, decay: Tensor | None) -> Tensor:
    """q_t S_t, the state written one position at a time."""
    T = q.shape[2]
    decay = torch.ones_like(k) if decay is None else decay.exp().expand(B, H, T, K)
    state, outputs = q.new_zeros(B, H, K, V), []
    for t in range(T):
        state = decay[:, :, t, :, None] * state
        key, value = k[:, :, t], v[:, :, t]
        if strength is not None:
            key = key / key.norm(dim=-1, keepdim=True)
            value = strength[:, :, t] * (value - torch.einsum("bhk,bhkv->bhv", key, state))
        state = state + key[..., None] * value[..., None, :]
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, :, t], state))
    return torch.stack(outputs, dim=2)


def slow_kernel_attention(q: Tensor, k: Tensor, v: Tensor, decay: Tensor | None) -> Tensor:
    """Normalised sums over the past, from the full matrix of weights; a decay of one number per head and position."""
    weights = (q @ k.mT).tril()
    if decay is not None:
        total = decay.expand(B, H, q.shape[2], 1).cumsum(2)
        weights = weights * (total - total.mT).exp()
    return weights @ v / (weights.sum(-1, keepdim=True) + 1e-6)


def slow_taps(x: Tensor, weights: Tensor) -> Tensor:
    return sum(weights[..., i : i + 1] * slow_shift(x, i) for i in range(weights.shape[-1]))


def slow_sink(q: Tensor, k: Tensor, v: Tensor, sink: Tensor) -> Tensor:
    weights = (q @ k.mT).exp().tril()
    return weights @ v / (sink.exp() + weights.sum(-1, keepdim=True))


def slow_distance(x: Tensor) -> Tensor:
    return stacked(x, lambda t: sum((t - s) * x[:, s] for s in range(t + 1)))


def slow_between(x: Tensor) -> Tensor:
    return stacked(x, lambda t: sum(x[:, s + 1 : t + 1].sum(1) * x[:, s] for s in range(t + 1)))


@dataclass(frozen=True)
class Case:
    """One block with its arguments: shapes of the tensors for a length, and what they are mapped through."""

    block: Callable[..., Tensor]
    slow: Callable[..., Tensor]
    shapes: Callable[[int], list[tuple[int, ...]]]
    maps: tuple[Callable[[Tensor], Tensor] | None, ...] = ()
    along: int = 1

    def inputs(self, length: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
        torch.manual_seed(length)
        made = [torch.randn(shape, dtype=torch.float64) for shape in self.shapes(length)]
        maps = [*self.maps, *[None] * (len(made) - len(self.maps))]
        mapped = [item if change is None else change(item) for item, change in zip(made, maps, strict=True)]
        return [item.to(dtype).requires_grad_() for item in mapped]


def sequences(count: int) -> Callable[[int], list[tuple[int, ...]]]:
    return lambda T: [(B, T, D)] * count


def heads(*extra: int | None) -> Callable[[int], list[tuple[int, ...]]]:
    """Shapes of q, k, v and more with the given last dimension; None: a constant of the head."""
    more = [(lambda T: (1, H, 1, 1)) if size is None else (lambda T, size=size: (B, H, T, size)) for size in extra]
    return lambda T: [(B, H, T, K), (B, H, T, K), (B, H, T, V), *(shape(T) for shape in more)]


def log_decay(x: Tensor) -> Tensor:
    return F.logsigmoid(x + 1)


CASES = {
    "shift": Case(lambda x: blocks.shift(x), lambda x: slow_shift(x, 1), sequences(1)),
    "shift_far": Case(lambda x: blocks.shift(x, 9), lambda x: slow_shift(x, 9), sequences(1)),
    "shift_none": Case(lambda x: blocks.shift(x, 0), lambda x: slow_shift(x, 0), sequences(1)),
    "causal_conv": Case(blocks.causal_conv, lambda x, weight: slow_conv(x, weight, 1), lambda T: [(B, T, D), (D, 4)]),
    "causal_conv_dilated": Case(
        lambda x, weight: blocks.causal_conv(x, weight, 3),
        lambda x, weight: slow_conv(x, weight, 3),
        lambda T: [(B, T, D), (D, 3)],
    ),
    "running_mean": Case(blocks.running_mean, lambda x: slow_mean(x, None), sequences(1)),
    "running_mean_window": Case(lambda x: blocks.running_mean(x, 5), lambda x: slow_mean(x, 5), sequences(1)),
    "running_weighted_mean": Case(blocks.running_weighted_mean, slow_weighted_mean, sequences(2)),
    "linear_scan": Case(blocks.linear_scan, slow_scan, sequences(2), (torch.sigmoid,)),
    "causal_softmax": Case(
        lambda q, k, v: blocks.causal_softmax(q @ k.mT) @ v,
        lambda q, k, v: slow_attention(q, k, v, 1000, scale=1.0),
        heads(),
        along=2,
    ),
    "causal_softmax_window": Case(
        lambda q, k, v: blocks.causal_softmax(q @ k.mT, 8) @ v,
        lambda q, k, v: slow_attention(q, k, v, 8, scale=1.0),
        heads(),
        along=2,
    ),
    "sink_softmax": Case(
        lambda q, k, v, sink: blocks.sink_softmax(q @ k.mT, sink) @ v, slow_sink, heads(None), along=2
    ),
    "gate_share": Case(
        lambda a, b: blocks.gate_share(a.sigmoid(), b.exp()),
        lambda a, b: a.sigmoid() / (a.sigmoid() + b.exp()),
        sequences(2),
    ),
    "weighted_taps": Case(blocks.weighted_taps, slow_taps, lambda T: [(B, T, D), (B, T, 4)]),
    "key_distance": Case(lambda x: blocks.key_distance(x) @ x, slow_distance, sequences(1)),
    "sum_between": Case(lambda x: blocks.sum_between(x) @ x, slow_between, lambda T: [(B, T, 1)]),
    "causal_attention": Case(blocks.causal_attention, lambda q, k, v: slow_attention(q, k, v, 1000), heads(), along=2),
    "windowed_attention": Case(
        lambda q, k, v: blocks.windowed_attention(q, k, v, 8),
        lambda q, k, v: slow_attention(q, k, v, 8),
        heads(),
        along=2,
    ),
    "windowed_attention_self": Case(
        lambda q, k, v: blocks.windowed_attention(q, k, v, 1),
        lambda q, k, v: slow_attention(q, k, v, 1),
        heads(),
        along=2,
    ),
    "windowed_attention_wide": Case(
        lambda q, k, v: blocks.windowed_attention(q, k, v, 1000, scale=0.3),
        lambda q, k, v: slow_attention(q, k, v, 1000, scale=0.3),
        heads(),
        along=2,
    ),
    "matrix_scan": Case(blocks.matrix_scan, lambda q, k, v: slow_memory(q, k, v, None, None), heads(), along=2),
    "matrix_scan_per_head": Case(
        blocks.matrix_scan,
        lambda q, k, v, g: slow_memory(q, k, v, None, g),
        heads(None),
        (None, None, None, log_decay),
        along=2,
    ),
    "matrix_scan_scalar": Case(
        blocks.matrix_scan,
        lambda q, k, v, g: slow_memory(q, k, v, None, g),
        heads(1),
        (None, None, None, log_decay),
        along=2,
    ),
    "matrix_scan_vector": Case(
        blocks.matrix_scan,
        lambda q, k, v, g: slow_memory(q, k, v, None, g),
        heads(K),
        (None, None, None, lambda x: log_decay(x).clamp(min=-2)),
        along=2,
    ),
    "delta_scan": Case(
        blocks.delta_scan,
        lambda q, k, v, b: slow_memory(q, k, v, b, None),
        heads(1),
        (None, None, None, torch.sigmoid),
        along=2,
    ),
    "delta_scan_scalar": Case(
        blocks.delta_scan, slow_memory, heads(1, 1), (None, None, None, torch.sigmoid, log_decay), along=2
    ),
    "delta_scan_vector": Case(
        blocks.delta_scan,
        slow_memory,
        heads(1, K),
        (None, None, None, torch.sigmoid, lambda x: log_decay(x).clamp(min=-2)),
        along=2,
    ),
    "kernel_attention": Case(
        blocks.kernel_attention,
        lambda q, k, v: slow_kernel_attention(q, k, v, None),
        heads(),
        (torch.exp, torch.exp),
        along=2,
    ),
    "kernel_attention_decay": Case(
        blocks.kernel_attention,
        slow_kernel_attention,
        heads(1),
        (torch.exp, torch.exp, None, log_decay),
        along=2,
    ),
}


def gradients(loss: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Zeros for what the loss does not depend on, as the decay of a sequence of one position."""
    loss = loss + sum(0 * item.sum() for item in inputs)
    return torch.autograd.grad(loss, inputs)


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_every_block_has_a_case() -> None:
    layout = {"split_heads", "merge_heads"}
    assert {name for name in block_names() if not any(case.startswith(name) for case in CASES)} == layout


@pytest.mark.parametrize("length", LENGTHS)
def test_values_and_gradients_are_those_of_the_equations(case: Case, length: int) -> None:
    fast, slow = case.inputs(length), case.inputs(length)
    actual, expected = case.block(*fast), case.slow(*slow)
    torch.testing.assert_close(actual, expected)
    weight = torch.randn_like(expected)
    grads = [gradients((out * weight).sum(), by) for out, by in ((actual, fast), (expected, slow))]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precisions_are_close(case: Case, dtype: torch.dtype) -> None:
    low = case.inputs(CHUNK + 1, dtype)
    expected = case.slow(*(item.detach().double() for item in low))
    bound = 1e-4 if dtype is torch.float32 else 0.1
    assert (case.block(*low).double() - expected).norm() < bound * expected.norm()


def test_nothing_of_the_future_is_seen(case: Case) -> None:
    length, cut = CHUNK + 9, CHUNK - 3
    before = [item.detach() for item in case.inputs(length)]
    after = [item.clone() for item in before]
    for item in after:
        if item.shape[case.along] == length and item.dim() > 2:
            item.narrow(case.along, cut, length - cut).mul_(0.5)
    one, other = case.block(*before), case.block(*after)
    torch.testing.assert_close(one.narrow(case.along, 0, cut), other.narrow(case.along, 0, cut))
    assert not torch.allclose(one, other)


def test_heads_are_split_and_merged() -> None:
    x = torch.randn(B, 7, H * K)
    split = blocks.split_heads(x, H)
    assert torch.equal(split[:, 1], x[:, :, K : 2 * K])
    assert torch.equal(blocks.merge_heads(split), x)


def test_a_weighted_mean_of_huge_logits_stays_finite() -> None:
    x = torch.randn(B, 50, D)
    logits = 1000 * torch.randn(B, 50, D)
    assert blocks.running_weighted_mean(x, logits).isfinite().all()


def test_kernel_attention_to_nothing_is_zero() -> None:
    q, k, v = torch.zeros(B, H, 5, K), torch.ones(B, H, 5, K), torch.ones(B, H, 5, V)
    assert torch.equal(blocks.kernel_attention(q, k, v), torch.zeros(B, H, 5, V))
