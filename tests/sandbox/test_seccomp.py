from __future__ import annotations

import ctypes
import errno
import struct

import pytest

from sandbox import seccomp

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM = 0x00050000 | errno.EPERM


def decide(program: bytes, arch: int, number: int) -> int:
    """Run a filter as the kernel would, on a call of that architecture and number."""
    lines = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        code, true, false, operand = lines[at]
        if code == 0x06:
            return operand
        if code == 0x20:
            value = {0: number, 4: arch}[operand]
            at += 1
        else:
            holds = value == operand if code == 0x15 else value >= operand
            at += 1 + (true if holds else false)


@pytest.mark.parametrize(("machine", "arch", "ptrace", "read"), [("x86_64", X86, 101, 0), ("aarch64", ARM, 117, 63)])
def test_what_is_refused_and_what_is_allowed(machine: str, arch: int, ptrace: int, read: int) -> None:
    program = seccomp.program(machine)
    assert program is not None
    assert decide(program, arch, ptrace) == EPERM
    assert decide(program, arch, 425) == EPERM  # io_uring_setup
    assert decide(program, arch, read) == ALLOW
    for number in seccomp.REFUSED[machine].values():
        assert decide(program, arch, number) == EPERM


def test_another_architectures_calls_end_the_process() -> None:
    program = seccomp.program("x86_64")
    assert program is not None
    assert decide(program, 0x40000003, 101) == KILL  # i386
    assert decide(program, X86, 0x40000000 | 101) == KILL  # x32


def test_an_unknown_architecture_has_no_filter() -> None:
    assert seccomp.program("riscv64") is None


def test_the_program_fits_a_pipe_and_the_kernels_limit() -> None:
    for machine in seccomp.REFUSED:
        program = seccomp.program(machine)
        assert program is not None
        assert len(program) // ctypes.sizeof(ctypes.c_uint64) <= 4096
        assert len(program) < 65536
