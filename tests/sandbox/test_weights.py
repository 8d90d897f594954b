from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sandbox.strict_json import RefusedError
from sandbox.weights import check_weights


def test_a_real_file_is_described(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.ones(5, np.int64)}, path, metadata={"k": "v"})
    assert {name: (t.dtype, t.shape) for name, t in check_weights(path).items()} == {
        "a": ("F32", (2, 3)),
        "b": ("I64", (5,)),
    }


def pack(header: object, data: bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95",
        pack(GOOD, bytes(8), length=2**62),
        pack(GOOD, bytes(7)),
        pack(GOOD, bytes(9)),
        pack({"a": {**GOOD["a"], "shape": [3]}}, bytes(8)),
        pack({"a": {**GOOD["a"], "shape": [-2]}}, bytes(8)),
        pack({"a": {**GOOD["a"], "dtype": "PICKLE"}}, bytes(8)),
        pack({"a": {**GOOD["a"], "data_offsets": [4, 12]}}, bytes(12)),
        pack({**GOOD, "b": GOOD["a"]}, bytes(8)),
        pack([1], b""),
        pack(b'{"a": NaN}', b""),
        pack({"a": {**GOOD["a"], "more": 1}}, bytes(8)),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(pack(GOOD, bytes(8)))
    assert check_weights(path).keys() == {"a"}
    path.write_bytes(content)
    with pytest.raises(RefusedError):
        check_weights(path)
