from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.metrics import MetricsTail


class Growing:
    """A metrics file that grows under the reader."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, name: str, offset: int, limit: int, *, latest: bool = False) -> bytes:
        assert name == "metrics.jsonl"
        return self.data[offset : offset + limit]


def test_each_complete_line_once_and_in_order() -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    tail = MetricsTail(source, rows.append)
    source.data += b'{"tokens": 1}\n{"tok'
    tail.poll()
    tail.poll()
    assert rows == [{"tokens": 1}]
    source.data += b'ens": 2, "step": 1, "train_loss": -1, "val_loss": 2.5, "seconds": 3, "tokens_per_second": 4.5}\n'
    tail.poll()
    assert rows[1:] == [
        {"step": 1, "tokens": 2, "train_loss": -1.0, "val_loss": 2.5, "seconds": 3.0, "tokens_per_second": 4.5}
    ]
    assert type(rows[1]["train_loss"]) is float


def test_garbage_is_dropped_and_what_follows_is_read() -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    bad = [
        b"", b"nonsense", b"[1]", b'{"tokens": NaN}', b'{"tokens": Infinity}', b'{"tokens": 1, "train_loss": 1e400}',
        b'{"tokens": 1, "tokens": 2}', b"[" * 4000, b"\xff", b"null", b'{"tokens": 1, "a": NaN}',
        b'{"tokens": 1, "note": "' + b"x" * 100_000 + b'"}',
    ]  # fmt: skip
    source.data = b"\n".join([*bad, b'{"tokens": 7}', b""])
    MetricsTail(source, rows.append).poll(to_end=True)
    assert rows == [{"tokens": 7}]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"step": 1},
        *({"tokens": value} for value in ("x", None, True, 1.0, -1, 2**62, 10**30, [1], {})),
        *({"tokens": 1, "step": value} for value in ("1", None, False, 1.5, -1, 2**62)),
        *(
            {"tokens": 1, name: value}
            for name in ("train_loss", "val_loss", "seconds", "tokens_per_second")
            for value in ("abc", None, True, [1.0], 1.1e300, -1.1e300, 10**301, 10**400)
        ),
    ],
)
def test_a_row_with_a_wrong_value_is_dropped_whole(row: dict[str, Any]) -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    source.data = json.dumps(row).encode() + b'\n{"tokens": 7}\n'
    MetricsTail(source, rows.append).poll(to_end=True)
    assert rows == [{"tokens": 7}]


def test_unknown_keys_are_left_out() -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    source.data = b'{"tokens": 4611686018427387903, "seconds": 1e300, "note": "\\u001b[2J", "nested": {"a": [1]}}\n'
    MetricsTail(source, rows.append).poll(to_end=True)
    assert rows == [{"tokens": 2**62 - 1, "seconds": 1e300}]


def test_one_poll_reads_a_bounded_piece_and_to_end_the_rest() -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    source.data = b'{"tokens": 1}\n' * 20_000
    tail = MetricsTail(source, rows.append)
    tail.poll()
    assert 0 < len(rows) < 6000
    tail.poll(to_end=True)
    assert len(rows) == 20_000
