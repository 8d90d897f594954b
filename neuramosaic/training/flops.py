"""Counting the floating-point operations of a step."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

Shape = tuple[int, ...]


def flop_counter() -> FlopCounterMode:
    """Return a context that counts what runs inside it; read `get_total_flops()` afterwards.

    It counts matrix products, convolutions and fused attention (where a causal mask saves nothing), forward and
    backward. It leaves out element-wise work, softmax, norms, scans and the optimiser.
    """
    aten = torch.ops.aten
    return FlopCounterMode(
        display=False,
        # PyTorch's own table has the fused attention of GPUs only.
        custom_mapping={
            aten._scaled_dot_product_flash_attention_for_cpu: _attention,
            aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        },
    )


def _attention(query: Shape, key: Shape, value: Shape, *_args: Any, **_kwargs: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _attention_backward(grad: Shape, query: Shape, key: Shape, value: Shape, *_args: Any, **_kwargs: Any) -> int:
    return int(sdpa_backward_flop_count(grad, query, key, value))  # type: ignore[no-untyped-call]
