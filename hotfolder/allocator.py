"""Have the C library give freed memory back: what many threads freed would otherwise stay with the process."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), from glibc's malloc.h."""
_ARENAS = 1
"""glibc makes eight for each processor; each keeps what its threads freed, and Python's own lock lets one at a time
allocate anyway. docs/decisions/0009 has the figures."""
_THRESHOLD_BYTES = 128 * 1024
"""glibc's own first value (mallopt(3)); being set, it does not grow with the largest piece that was ever freed."""


def stay_small() -> bool:
    """Let the threads that are started from now on share one arena; False where the C library has no mallopt."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is None:  # musl, whose allocator has neither arenas nor thresholds that grow
        return False
    settings = {_ARENA_MAX: _ARENAS, _MMAP_THRESHOLD: _THRESHOLD_BYTES, _TRIM_THRESHOLD: _THRESHOLD_BYTES}
    return all(tune(parameter, value) for parameter, value in settings.items())
