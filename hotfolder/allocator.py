"""Have the C library give freed memory back: what many threads freed would otherwise stay with the process."""

import ctypes

_ARENA_MAX = -8
"""Parameter of mallopt(3), from glibc's malloc.h."""
_ARENAS = 1
"""glibc makes eight for each processor; each keeps what its threads freed, and Python's own lock lets one at a time
allocate anyway. docs/decisions/0009 has the figures."""


def stay_small() -> bool:
    """Let the threads that are started from now on share one arena; False where the C library has no mallopt."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    return tune is not None and bool(tune(_ARENA_MAX, _ARENAS))  # musl has neither arenas nor mallopt
