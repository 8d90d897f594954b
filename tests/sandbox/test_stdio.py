from __future__ import annotations

from sandbox.stdio import Tail


def test_what_a_job_prints_cannot_command_a_terminal() -> None:
    tail = Tail(1000)
    tail.feed("\x1b[2J\x1b]0;owned\x07 a\tb\r\nä€\x9b31m\x00\x7f".encode() + b"\xff")
    assert tail.text() == "�[2J�]0;owned� a\tb�\nä€�31m���"


def test_only_the_end_is_kept_and_a_flood_is_noticed() -> None:
    tail = Tail(4)
    tail.feed(b"abc")
    tail.feed(b"def")
    assert (tail.text(), tail.total, tail.flooded) == ("cdef", 6, False)
    tail.feed(bytes(64))
    assert tail.flooded
