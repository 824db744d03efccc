"""Have the C library give freed memory back, and Python's collector leave alone what stays for good."""

import ctypes
import gc

_ARENA_MAX = -8
"""Parameter of mallopt(3), from glibc's malloc.h."""
_ARENAS = 1
"""glibc makes eight for each processor; each keeps what its threads freed, and Python's own lock lets one at a time
allocate anyway. docs/decisions/0009 has the figures."""


def stay_small() -> bool:
    """Let the threads that are started from now on share one arena; False where the C library has no mallopt."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    return tune is not None and bool(tune(_ARENA_MAX, _ARENAS))  # musl has neither arenas nor mallopt


def leave_alone() -> None:
    """Have the collector look no more through what is there now: call it when all is loaded and nothing is built yet.

    Modules, classes and functions are nine tenths of what it would look through each time, and the event loop waits
    for it: 13 ms on an idle machine, 50 ms on a busy one. What is frozen is never freed, which is right for modules.
    """
    gc.collect()
    gc.freeze()
