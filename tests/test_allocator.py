"""Sharing one arena, and leaving alone what stays."""

import re
import subprocess
import sys

PROGRAM = """
import ctypes, sys, threading
from hotfolder.allocator import stay_small

if {tuned}:
    assert stay_small()
allocated, over = threading.Barrier(33), threading.Event()

def work():
    kept = bytearray(100_000)  # beyond Python's own pools, below what is mapped by itself
    allocated.wait()
    over.wait()

threads = [threading.Thread(target=work) for _ in range(32)]
for thread in threads:
    thread.start()
allocated.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
over.set()
"""


def arenas(*, tuned: bool) -> int:
    """Return among how many arenas a program's threads are spread."""
    command = [sys.executable, "-c", PROGRAM.format(tuned=tuned)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return len(re.findall(r"<heap nr=", told))


def test_threads_share_one_arena() -> None:
    """Threads that were started after `stay_small` allocate from one arena; without it, from many."""
    assert arenas(tuned=True) == 1
    assert arenas(tuned=False) > 1


def test_collector_leaves_modules_alone() -> None:
    """What is loaded when the daemon starts is not looked through again; what is made afterwards is."""
    program = """
import gc
import hotfolder.service
from hotfolder.allocator import leave_alone
before = len(gc.get_objects())
leave_alone()
kept = [[] for _ in range(100)]
print(before, len(gc.get_objects()))
"""
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    before, after = map(int, told.split())
    assert before > 20_000
    assert 100 <= after < 1000
