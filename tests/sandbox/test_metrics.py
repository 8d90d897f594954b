from __future__ import annotations

from typing import Any

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
    source.data += b'{"step": 1}\n{"st'
    tail.poll()
    tail.poll()
    assert rows == [{"step": 1}]
    source.data += b'ep": 2, "val_loss": null, "note": "ok", "done": true}\n'
    tail.poll()
    assert rows[1:] == [{"step": 2, "val_loss": None, "note": "ok", "done": True}]


def test_garbage_is_dropped_and_what_follows_is_read() -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    bad = [
        b"", b"nonsense", b"[1]", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e400}', b'{"a": [1]}', b'{"a": {}}',
        b'{"a": 1, "a": 2}', b"[" * 4000, b'{"a": "' + b"x" * 201 + b'"}', b'{"a": 1' + b"0" * 30 + b"}", b"\xff",
        b'{"a": "' + b"x" * 100_000 + b'"}',
        b"{" + b",".join(b'"k%d": 1' % i for i in range(33)) + b"}",
    ]  # fmt: skip
    source.data = b"\n".join([*bad, b'{"step": 7}', b""])
    MetricsTail(source, rows.append).poll(to_end=True)
    assert rows == [{"step": 7}]


def test_one_poll_reads_a_bounded_piece_and_to_end_the_rest() -> None:
    source, rows = Growing(), list[dict[str, Any]]()
    source.data = b'{"step": 1}\n' * 20_000
    tail = MetricsTail(source, rows.append)
    tail.poll()
    assert 0 < len(rows) < 6000
    tail.poll(to_end=True)
    assert len(rows) == 20_000
