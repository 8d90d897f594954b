"""Attention and its positions against plain softmax over explicit logits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from neuramosaic.components.mixers.attention import Attention
from neuramosaic.components.mixers.sliding_attention import SlidingAttention
from neuramosaic.components.positions.alibi import ALiBi
from neuramosaic.components.positions.learned import LearnedPosition
from neuramosaic.components.positions.none import NoPosition
from neuramosaic.components.positions.rope import RoPE

POSITIONS = {"none": NoPosition, "rope": RoPE, "alibi": ALiBi}


def explicit(mixer: nn.Module, q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Softmax over the positions i - window < j <= i, written out."""
    T = q.shape[2]
    if mixer.position is not None:
        q, k = mixer.position.rotate(q, k)
    logits = q @ k.mT / math.sqrt(q.shape[-1])
    bias = mixer.position.bias(mixer.heads, T, q.device) if mixer.position is not None else None
    logits = logits if bias is None else logits + bias
    distance = torch.arange(T)[:, None] - torch.arange(T)[None]
    logits = logits.masked_fill((distance < 0) | (distance >= window), -math.inf)
    return mixer.out((logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("length", [1, 5, 16, 37])
def test_sliding_attention_is_masked_attention(position: str, length: int) -> None:
    torch.manual_seed(0)
    mixer = SlidingAttention(20, heads=2, window=8, position=POSITIONS[position](20, 16)).double()
    x = torch.randn(2, length, 20, dtype=torch.float64)
    q, k, v = mixer.qkv(x).view(2, length, 3, 2, 10).permute(2, 0, 3, 1, 4)
    torch.testing.assert_close(mixer(x), explicit(mixer, q, k, v, window=8), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_grouped_queries_share_keys_and_values(position: str, kv_heads: int) -> None:
    torch.manual_seed(0)
    mixer = Attention(16, heads=4, kv_heads=kv_heads, position=POSITIONS[position](16, 16)).double()
    x = torch.randn(2, 21, 16, dtype=torch.float64)
    q, k, v = mixer.qkv(x).view(2, 21, -1, 4).transpose(1, 2).split((4, kv_heads, kv_heads), dim=1)
    k, v = (part.repeat_interleave(4 // kv_heads, dim=1) for part in (k, v))
    torch.testing.assert_close(mixer(x), explicit(mixer, q, k, v, window=21), rtol=1e-6, atol=1e-9)


def test_more_key_value_heads_than_heads_are_as_many_as_heads() -> None:
    assert Attention(16, heads=2, kv_heads=8).kv_heads == 2


def test_rope_makes_products_depend_on_the_distance_only() -> None:
    torch.manual_seed(0)
    q, k = (torch.randn(8, dtype=torch.float64).expand(1, 1, 12, 8) for _ in range(2))
    q, k = RoPE(8, 12).rotate(q, k)
    products = (q @ k.mT)[0, 0]
    torch.testing.assert_close(products[3, 1], products[10, 8], rtol=1e-5, atol=1e-6)
    assert not torch.isclose(products[3, 1], products[3, 2])


def test_alibi_slopes_are_those_of_the_paper() -> None:
    bias = ALiBi(8, 12).bias(8, 3, torch.device("cpu"))
    torch.testing.assert_close(bias[:, 1, 0], -(2.0 ** -torch.arange(1.0, 9.0)))
    torch.testing.assert_close(bias[0, 2], torch.tensor([-1.0, -0.5, 0.0]))


def test_learned_positions_go_beyond_the_longest() -> None:
    position = LearnedPosition(4, 3)
    added = position(torch.zeros(1, 5, 4))[0]
    torch.testing.assert_close(added[:3], position.table)
    torch.testing.assert_close(added[3:], position.table[2].expand(2, 4))
