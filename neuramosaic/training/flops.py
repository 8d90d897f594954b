"""Counting the floating-point operations of a step."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Shape = tuple[int, ...]


def flop_counter() -> FlopCounterMode:
    """Return a context that counts what runs inside it; read `get_total_flops()` afterwards.

    It counts matrix products, convolutions and fused attention (where a causal mask saves nothing), forward and
    backward. It leaves out element-wise work, softmax, norms, scans and the optimiser.
    """
    aten = torch.ops.aten
    # PyTorch's own table lacks the fused attention of CPUs, and before 2.13 grouped queries on GPUs.
    forward = (
        aten._scaled_dot_product_flash_attention_for_cpu,
        aten._scaled_dot_product_flash_attention,
        aten._scaled_dot_product_efficient_attention,
        aten._scaled_dot_product_cudnn_attention,
    )
    backward = (
        aten._scaled_dot_product_flash_attention_for_cpu_backward,
        aten._scaled_dot_product_flash_attention_backward,
        aten._scaled_dot_product_efficient_attention_backward,
        aten._scaled_dot_product_cudnn_attention_backward,
    )
    return FlopCounterMode(
        display=False,
        custom_mapping={**dict.fromkeys(forward, _attention), **dict.fromkeys(backward, _attention_backward)},
    )


def _attention(query: Shape, key: Shape, value: Shape, *_args: Any, **_kwargs: Any) -> int:
    """Count q k^T and its product with v; `query` (B, H, T, hd), `key` and `value` (B, K, S, hd), K at most H."""
    return 2 * _pairs(query, key) * (query[-1] + value[-1])


def _attention_backward(_grad: Shape, query: Shape, key: Shape, value: Shape, *_args: Any, **_kwargs: Any) -> int:
    """Count the scores once more, and the gradients of v, the weights, q and k."""
    return 2 * _pairs(query, key) * (3 * query[-1] + 2 * value[-1])


def _pairs(query: Shape, key: Shape) -> int:
    """Return B * H * T * S: each query head meets every key, however many heads share them."""
    batch, heads, queries, _ = query
    return batch * heads * queries * key[-2]
