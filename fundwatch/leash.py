"""Runs a program that ends when its parent ends, even when the parent is killed; started by :mod:`fundwatch.children` only.

``python -I -S leash.py PARENT PIPE PROGRAM [ARGUMENT...]``: imports nothing but the standard library, sets the leash and turns into
the program, so that the process id stays. ``PARENT`` is the parent's process id, ``PIPE`` a descriptor or -1.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def main() -> None:
    """Set the leash, become the program."""
    parent, pipe, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if pipe < 0:
        _ask_the_kernel(parent)
    else:
        _leave_a_watcher(pipe)
    try:
        os.execvp(program[0], program)  # noqa: S606  no shell wanted
    except OSError as error:
        sys.exit(f"expected to run {program[0]}, got: {error.strerror}; check that it is installed")


def _ask_the_kernel(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"expected the kernel to tie this process to its parent, got: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        # the parent ended before the kernel knew of the tie
        sys.exit("the parent process has ended already")


def _leave_a_watcher(pipe: int) -> None:
    # the watcher is no child of the program, which may count its children; it stays in the program's group and so keeps its number
    if middle := os.fork():
        os.waitpid(middle, 0)
        os.close(pipe)
        return
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.read(
        pipe, 1
    )  # returns when nobody holds the other end any more: the parent has ended, or has seen the program end
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
