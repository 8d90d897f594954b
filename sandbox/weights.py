"""Looking at a safetensors file that a stranger wrote, without loading it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from sandbox.strict_json import RefusedError, loads

MAX_HEADER_BYTES = 2**20
_ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip


class TensorInfo(BaseModel):
    """One tensor, as the header says.

    Attributes:
        dtype: Such as F32.
        shape: Its shape.
        data_offsets: First byte and the one after its last, counted from the end of the header.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal[
        "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "I64", "U64", "F64"
    ]
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


_HEADER = TypeAdapter(dict[str, TensorInfo])


def check_weights(path: Path) -> Mapping[str, TensorInfo]:
    """Return what tensors a file holds, if it is a safetensors file and nothing else.

    Raises:
        RefusedError: If its header is too long or no strict JSON, a tensor's size does not fit its shape, or the
            tensors do not fill the file exactly, one after the other.
    """
    size = os.stat(path, follow_symlinks=False).st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
            raise RefusedError(f"{path.name}: its header does not fit")
        header = loads(file.read(length), max_bytes=MAX_HEADER_BYTES)
    if isinstance(header, dict):
        header.pop("__metadata__", None)
    try:
        tensors = _HEADER.validate_python(header)
    except ValidationError as error:
        raise RefusedError(f"{path.name}: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}") from error
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        first, after = tensor.data_offsets
        if first != end or after - first != math.prod(tensor.shape) * _ITEM_BYTES[tensor.dtype]:
            raise RefusedError(f"{path.name}: tensor {name[:80]!r} does not lie where its shape says")
        end = after
    if 8 + length + end != size:
        raise RefusedError(f"{path.name}: {size} bytes, but its tensors take {8 + length + end}")
    return tensors
