"""What every component of the catalogue promises, checked on each of them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import ComponentSpec

SPECS = catalogue().specs
PLAIN = [spec for spec in SPECS if spec.slot in ("mixer", "channel", "norm")]
MIXERS = [spec for spec in SPECS if spec.slot == "mixer"]


def load(spec: ComponentSpec) -> Any:
    """Return the class from the spec's source: what goes into model.py."""
    namespace: dict[str, Any] = {"__name__": spec.name}
    exec(compile(spec.source, spec.name, "exec"), namespace)
    return namespace[spec.class_name]


def build(spec: ComponentSpec, width: int, **hyperparameters: Any) -> nn.Module:
    """Return the component for (B, T, D) -> (B, T, D); blocks hold the plainest mixer there is."""
    torch.manual_seed(0)
    settings = {**spec.defaults(), **hyperparameters}
    if spec.slot == "position":
        return load(spec)(width, 16, **settings)
    if spec.slot == "residual":
        return load(spec)(
            width, nn.Linear(width, width), nn.Linear(width, width), lambda: nn.LayerNorm(width), **settings
        )
    if spec.slot == "modulator":
        return load(spec)(width, nn.Linear(width, width), **settings)
    return load(spec)(width, **settings)


def settings_of(spec: ComponentSpec) -> list[dict[str, Any]]:
    """Every value of every hyper-parameter, the others at their defaults, and a few random combinations."""
    rng = np.random.default_rng(0)
    single = [{item.name: item.from_unit(unit)} for item in spec.hyperparameters for unit in np.linspace(0, 1, 9)]
    mixed = [{item.name: item.sample(rng) for item in spec.hyperparameters} for _ in range(8)]
    return [{}, *single, *mixed]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.slot}-{spec.name}")
def test_builds_for_any_width_and_length(spec: ComponentSpec) -> None:
    for width, length in itertools.product((8, 20, 33, 64), (1, 7, 65)):
        y = build(spec, width)(torch.randn(2, length, width))
        assert y.shape == (2, length, width)
        assert y.isfinite().all()


@pytest.mark.parametrize("spec", PLAIN, ids=lambda spec: f"{spec.slot}-{spec.name}")
def test_all_settings_are_valid_and_keep_the_scale(spec: ComponentSpec) -> None:
    for settings in settings_of(spec):
        y = build(spec, 16, **settings)(torch.randn(2, 130, 16))
        assert y.isfinite().all(), settings
        assert 1e-3 < y.std() < 10, settings


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.slot}-{spec.name}")
def test_every_parameter_gets_a_gradient(spec: ComponentSpec) -> None:
    for settings in settings_of(spec) if spec in PLAIN else [{}]:
        module = build(spec, 16, **settings)
        x = torch.randn(4, 70, 16, requires_grad=True)
        (module(x) * torch.randn(4, 70, 16)).sum().backward()
        assert x.grad is not None
        assert (x.grad.abs().amax(dim=-1) > 0).all(), settings
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, (name, settings)
            assert parameter.grad.abs().max() > 0, (name, settings)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.slot}-{spec.name}")
def test_causal_batch_independent_and_stateless(spec: ComponentSpec) -> None:
    module = build(spec, 16).double().eval()
    x = torch.randn(3, 70, 16, dtype=torch.float64)
    y = module(x)
    torch.testing.assert_close(module(x), y, rtol=0, atol=0)
    torch.testing.assert_close(module(x[1:2]), y[1:2])
    for cut in (1, 31, 32, 64):
        changed = x.clone()
        changed[:, cut:] = torch.randn(3, 70 - cut, 16, dtype=torch.float64)
        torch.testing.assert_close(module(changed)[:, :cut], y[:, :cut])
        torch.testing.assert_close(module(x[:, :cut]), y[:, :cut])


@pytest.mark.parametrize("spec", MIXERS, ids=lambda spec: spec.name)
def test_mixers_look_back(spec: ComponentSpec) -> None:
    module = build(spec, 16)
    x = torch.randn(1, 20, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(x)[0, 10].square().sum(), x)
    assert gradient[0, 9].abs().max() > 0
    assert gradient[0, 7].abs().max() > 0


def learns(module: nn.Module, width: int) -> float:
    """Return the loss, in nats, after 120 steps of telling which of 8 tokens stood one before."""
    torch.manual_seed(0)
    embed, head = nn.Embedding(8, width), nn.Linear(width, 8)
    tokens = torch.randint(8, (16, 24))
    optimizer = torch.optim.AdamW([*embed.parameters(), *module.parameters(), *head.parameters()], lr=1e-2)
    loss = torch.zeros(())
    for _ in range(120):
        h = embed(tokens)
        logits: Tensor = head(h + module(h))
        loss = nn.functional.cross_entropy(logits[:, 1:].flatten(0, 1), tokens[:, :-1].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("spec", MIXERS, ids=lambda spec: spec.name)
def test_mixers_learn_the_token_before(spec: ComponentSpec) -> None:
    """Chance is ln 8 = 2.08 nats. Attention needs a position to tell the order."""
    settings = {"position": build(catalogue().get("position", "alibi"), 32)} if spec.uses_position else {}
    assert learns(build(spec, 32, **settings), 32) < 0.7


def test_experts_are_those_that_the_router_likes_best() -> None:
    moe = build(catalogue().get("channel", "moe"), 16, experts=4, top_k=2)
    x = torch.randn(2, 9, 16)
    gates = moe.router(x).softmax(dim=-1)
    threshold = gates.topk(2, dim=-1).values[..., -1:]
    each = torch.stack([nn.functional.gelu(x @ up) @ down for up, down in zip(moe.up, moe.down, strict=True)], dim=-1)
    expected = (each * (gates * (gates >= threshold)).unsqueeze(-2)).sum(dim=-1)
    torch.testing.assert_close(moe(x), expected, rtol=1e-4, atol=1e-6)


def test_k_winners_alone_fire() -> None:
    kwta = build(catalogue().get("channel", "kwta"), 16, expansion=2, fraction=0.25)
    fired = []
    kwta.down.register_forward_pre_hook(lambda module, args: fired.append((args[0] != 0).sum(dim=-1)))
    kwta(torch.randn(2, 9, 16))
    assert (fired[0] == 8).all()


def test_top_down_runs_its_block_twice() -> None:
    module = build(catalogue().get("modulator", "top_down"), 16)
    x = torch.randn(2, 5, 16)
    once = module.block(x)
    expected = module.block(x + (once - x) @ module.feedback.weight.T)
    torch.testing.assert_close(module(x), expected)
