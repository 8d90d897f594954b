"""The chunked forms against the equations, one step at a time."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from neuramosaic.components.mixers.min_gru import linear_scan
from neuramosaic.components.mixers.recurrence import CHUNK, MAX_LOG_DECAY, Recurrence, chunked_recurrence
from neuramosaic.components.mixers.ssm import ssd

DECAYS = ("none", "fixed", "scalar", "vector")
WRITES = ("additive", "delta", "hebbian")


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.empty(shape, dtype=torch.float64).uniform_(low, high)


def step_by_step(q: Tensor, k: Tensor, v: Tensor, strength: Tensor, decay: Tensor, delta: bool) -> Tensor:
    """S_t = A_t S_(t-1) + write, o_t = q_t S_t, with A_t of (B, H, T, K)."""
    state = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1])
    outputs = []
    for t in range(q.shape[2]):
        state = decay[:, :, t, :, None] * state
        value = v[:, :, t]
        if delta:
            value = value - torch.einsum("bhk,bhkv->bhv", k[:, :, t], state)
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, :, t], strength[:, :, t] * value)
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, :, t], state))
    return torch.stack(outputs, dim=2)


@pytest.mark.parametrize("length", [1, 7, CHUNK, 2 * CHUNK + 13])
@pytest.mark.parametrize(("decay", "write"), list(itertools.product(DECAYS, WRITES)))
def test_chunked_equals_step_by_step(decay: str, write: str, length: int) -> None:
    torch.manual_seed(length)
    shape = (2, 3, length)
    q, k, v = uniform(*shape, 6, low=-1), uniform(*shape, 6, low=-1), uniform(*shape, 4, low=-1)
    k = k / k.norm(dim=-1, keepdim=True)
    strength = torch.ones(*shape, 1, dtype=torch.float64) if write == "additive" else uniform(*shape, 1)
    scalar = vector = None
    if decay == "fixed":
        scalar = uniform(1, 3, 1, 1, low=-1, high=0).expand(1, 3, length, 1)
    elif decay == "scalar":
        scalar = uniform(*shape, 1, low=-3, high=0)
    elif decay == "vector":
        vector = uniform(*shape, 6, low=-MAX_LOG_DECAY, high=0)
    if write == "hebbian":
        kept = torch.log1p(-strength)
        scalar = kept if scalar is None else scalar + kept

    total = torch.zeros(*shape, 6, dtype=torch.float64)
    total = total if scalar is None else total + scalar
    total = total if vector is None else total + vector
    expected = step_by_step(q, k, v, strength, total.exp(), delta=write == "delta")
    actual = chunked_recurrence(
        q, k, v, 1.0 if write == "additive" else strength, scalar, vector, delta=write == "delta"
    )
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("decay", "write"), list(itertools.product(DECAYS, WRITES)))
def test_recurrence_feeds_the_recurrence_what_its_settings_say(decay: str, write: str) -> None:
    """The whole component against the equation, from its own parameters."""
    torch.manual_seed(0)
    length, heads, width = CHUNK + 5, 2, 12
    mixer = Recurrence(
        width, heads, decay, write, feature_map="identity", output_gate="none", short_conv=0, output_norm=False
    ).double()
    x = torch.randn(2, length, width, dtype=torch.float64)
    qkv, decay_logit, write_logit, _ = mixer.in_proj(x).split(mixer.widths, dim=-1)
    q, k, v = qkv.view(2, length, 3, heads, 6).permute(2, 0, 3, 1, 4)
    q = q / 6**0.5
    k = k / k.norm(dim=-1, keepdim=True) if write == "delta" else k
    rates = torch.ones(2, heads, length, 6, dtype=torch.float64)
    if decay == "fixed":
        rates = mixer.log_decay.double().exp() * rates
    elif decay != "none":
        logit = decay_logit.view(2, length, heads, -1).transpose(1, 2) + mixer.decay_bias
        rates = torch.exp(-MAX_LOG_DECAY * logit.sigmoid()) * rates
    strength = torch.ones(2, heads, length, 1, dtype=torch.float64)
    if write != "additive":
        strength = (write_logit + mixer.write_bias).sigmoid().transpose(1, 2).unsqueeze(-1)
    if write == "hebbian":
        rates = rates * (1 - strength)
    o = step_by_step(q, k, v, strength, rates, delta=write == "delta")
    if decay == "none" and write == "additive":
        o = o / torch.arange(1, length + 1).double().sqrt()[:, None]
    expected = mixer.out(o.transpose(1, 2).flatten(2))
    torch.testing.assert_close(mixer(x), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("decay", "write", "feature_map"),
    list(itertools.product(DECAYS, WRITES, ("identity", "elu", "normalised", "softmax"))),
)
def test_every_member_of_the_family_is_finite_in_float32(decay: str, write: str, feature_map: str) -> None:
    """Also where every gate is pushed to its end: decays as strong as they get, writes as strong as they get."""
    torch.manual_seed(0)
    mixer = Recurrence(16, 2, decay, write, feature_map, output_norm=False)
    x = torch.randn(2, 3 * CHUNK, 16)
    for scale in (1.0, 100.0):
        mixer.zero_grad()
        y = mixer(scale * x)
        y.square().mean().backward()
        assert y.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in mixer.parameters())


def test_strongest_vector_decay_keeps_its_precision() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 3 * CHUNK, 8) for _ in range(3))
    decay = torch.full((1, 2, 3 * CHUNK, 8), -MAX_LOG_DECAY)
    expected = step_by_step(
        q.double(), k.double(), v.double(), torch.ones(1, 2, 3 * CHUNK, 1), decay.double().exp(), False
    )
    torch.testing.assert_close(chunked_recurrence(q, k, v, vector=decay).double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [1, 9, 64, 150])
def test_ssd_equals_step_by_step(length: int) -> None:
    torch.manual_seed(length)
    x = uniform(2, length, 3, 4, low=-1)
    log_decay = uniform(2, length, 3, low=-3, high=0)
    B, C = uniform(2, length, 5, low=-1), uniform(2, length, 5, low=-1)
    state = torch.zeros(2, 3, 5, 4, dtype=torch.float64)
    outputs = []
    for t in range(length):
        state = log_decay[:, t, :, None, None].exp() * state + torch.einsum("bn,bhp->bhnp", B[:, t], x[:, t])
        outputs.append(torch.einsum("bn,bhnp->bhp", C[:, t], state))
    torch.testing.assert_close(ssd(x, log_decay, B, C), torch.stack(outputs, dim=1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 65])
def test_scan_equals_loop(length: int) -> None:
    torch.manual_seed(length)
    a, b = uniform(2, length, 3), uniform(2, length, 3, low=-1)
    state, states = torch.zeros(2, 3, dtype=torch.float64), []
    for t in range(length):
        state = a[:, t] * state + b[:, t]
        states.append(state)
    torch.testing.assert_close(linear_scan(a, b), torch.stack(states, dim=1), rtol=1e-9, atol=1e-12)
