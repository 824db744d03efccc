"""Follow a child with ptrace: number the calls with which it changes files or sends, and strike at one of them.

strace can inject a signal or an error as well, but counts in each thread apart, and never kills after a call:
the nth call of a program with pools of threads could not be named.
"""

import ctypes
import os
import platform
import re
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

CALLS = {
    1: "write",
    18: "pwrite64",
    20: "writev",
    44: "sendto",
    46: "sendmsg",
    74: "fsync",
    75: "fdatasync",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    87: "unlink",
    257: "openat",
    258: "mkdirat",
    263: "unlinkat",
    264: "renameat",
    265: "linkat",
    316: "renameat2",
    326: "copy_file_range",
}
"""Numbers of x86-64 (asm/unistd_64.h); of openat only what creates is looked at."""
_OPENAT = 257
_BY_NAME = frozenset({"rename", "mkdir", "unlink"})
_AT_NAME = frozenset({"openat", "mkdirat", "unlinkat", "renameat", "linkat", "renameat2"})
SENDS = frozenset({"sendto", "sendmsg"})

# linux/ptrace.h, linux/seccomp.h, linux/prctl.h, linux/bpf_common.h
_CONT, _POKE_USER, _TO_EXIT, _SEIZE, _SYSCALL_INFO = 7, 6, 24, 0x4206, 0x420E
_OPTIONS = (
    0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
)  # sysgood, fork, vfork, clone, exec, seccomp, exitkill
_AT_SECCOMP, _AT_CALL = signal.SIGTRAP | 7 << 8, signal.SIGTRAP | 0x80
_WALL = 0x40000000
_LOAD, _IF_EQUAL, _IF_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_TRACE, _ALLOW = 0x7FF00000, 0x7FFF0000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_ORIG_RAX, _RAX, _RDX = 15 * 8, 10 * 8, 12 * 8  # struct user_regs_struct: number, result, third argument

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def possible() -> bool:
    """Tell whether the numbers above are this machine's."""
    return platform.machine() == "x86_64"


@dataclass(frozen=True)
class Strike:
    """At which call to strike, and how.

    `how` is `before` (killed, the call never happens), `after` (it happened, the program never hears of it),
    `torn` (killed when half of what it writes or sends has gone) or `error` (it does not happen and fails
    with `code`). Counted from 1 are the calls whose `name path` fits the pattern; it strikes from `first`
    to `last`, None for ever.
    """

    how: str
    first: int
    last: int | None = None
    code: int = 0
    pattern: str = ""

    def meets(self, number: int) -> bool:
        """Tell whether it strikes at this call."""
        return number >= self.first and (self.last is None or number <= self.last)


@dataclass
class Trace:
    """What a traced run did: each call as (name, path), how it ended (as `waitpid` says), whether it was struck."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    status: int = 0
    struck: int = 0


def follow(work: Callable[[], None], below: list[str], strike: Strike | None) -> Trace:
    """Run `work` in a child and return its calls on files below those folders and on its connections.

    The caller must have one thread only, and no other children.
    """
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)
        _filter_calls()
        work()
        os._exit(0)
    os.close(ready)
    try:
        _ptrace(_SEIZE, child, 0, _OPTIONS)
    finally:
        os.close(go)
    return _Following(child, below, strike).to_the_end()


def _ptrace(request: int, tid: int, address: int, value: int) -> None:
    if _libc.ptrace(request, tid, address, value) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _filter_calls() -> None:
    """Have the kernel stop this process, and all threads that it starts, at those calls alone."""
    others = [number for number in CALLS if number != _OPENAT]
    steps = [(_LOAD, 0, 0, 0)]
    steps += [(_IF_EQUAL, len(others) - place + 3, 0, number) for place, number in enumerate(others)]
    steps += [
        (_IF_EQUAL, 0, 2, _OPENAT),
        (_LOAD, 0, 0, 16 + 2 * 8),  # the low half of the third argument
        (_IF_SET, 1, 0, os.O_CREAT),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _TRACE),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
    if _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or _libc.prctl(_SET_SECCOMP, _FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "no system call filter")


class _Following:
    """One child that is being followed."""

    def __init__(self, child: int, below: list[str], strike: Strike | None) -> None:
        self._child = child
        self._below = tuple(below)
        self._strike = strike
        self._pattern = re.compile(strike.pattern if strike else "")
        self._fitting = 0
        self._dying = False
        self._trace = Trace()

    def to_the_end(self) -> Trace:
        """Follow it until it has ended."""
        while True:
            tid, status = os.waitpid(-1, _WALL)
            if os.WIFSTOPPED(status):
                self._stopped(tid, status)
            elif tid == self._child:
                self._trace.status = status
                return self._trace

    def _stopped(self, tid: int, status: int) -> None:
        what = status >> 8
        try:
            if what == _AT_SECCOMP:
                self._called(tid)
            elif what == _AT_CALL:  # the exit of the call after which it dies
                self._kill()
            else:
                event = status >> 16
                _ptrace(_CONT, tid, 0, 0 if event else os.WSTOPSIG(status))
        except ProcessLookupError:  # it was killed meanwhile
            return

    def _kill(self) -> None:
        self._dying = True
        os.kill(self._child, signal.SIGKILL)

    def _called(self, tid: int) -> None:
        name, path, length = _call_of(tid)
        if not self._dying and self._is_ours(name, path):
            self._trace.calls.append((name, path))
            strike = self._strike
            if strike is not None and self._pattern.search(f"{name} {path}"):
                self._fitting += 1
                if strike.meets(self._fitting):
                    self._trace.struck += 1
                    self._struck(tid, strike, length)
                    return
        _ptrace(_CONT, tid, 0, 0)

    def _struck(self, tid: int, strike: Strike, length: int) -> None:
        if strike.how == "before":
            self._kill()  # the kernel skips the call of a thread that is dying (kernel/seccomp.c)
        elif strike.how == "error":
            _ptrace(_POKE_USER, tid, _ORIG_RAX, -1)
            _ptrace(_POKE_USER, tid, _RAX, -strike.code)
            _ptrace(_CONT, tid, 0, 0)
        else:
            if strike.how == "torn":
                _ptrace(_POKE_USER, tid, _RDX, length // 2)
            _ptrace(_TO_EXIT, tid, 0, 0)

    def _is_ours(self, name: str, path: str) -> bool:
        return path == "socket" if name in SENDS else path.startswith(self._below)


def _call_of(tid: int) -> tuple[str, str, int]:
    """Return the name of the call at which a thread stands, the path that it is about, and its third argument."""
    told = ctypes.create_string_buffer(88)
    _ptrace(_SYSCALL_INFO, tid, len(told), ctypes.addressof(told))
    number, *arguments = struct.unpack_from("7Q", told, 24)
    name = CALLS[number]
    if name in _BY_NAME:
        return name, _text(tid, arguments[0]), 0
    opened = _open_file(tid, arguments[0])
    if name in _AT_NAME:
        return name, os.path.join(opened, _text(tid, arguments[1])), 0
    if name in SENDS:  # asyncio wakes itself with single bytes over a socket of its own
        return name, "socket" if name == "sendmsg" or arguments[2] > 1 else "itself", arguments[2]
    return name, opened, arguments[2]


def _open_file(tid: int, fd: int) -> str:
    try:
        return os.readlink(f"/proc/{tid}/fd/{ctypes.c_int32(fd).value}")
    except OSError:  # AT_FDCWD
        return ""


def _text(tid: int, address: int) -> str:
    memory = os.open(f"/proc/{tid}/mem", os.O_RDONLY)
    try:
        return os.pread(memory, 4096, address).split(b"\0")[0].decode("utf-8", "surrogateescape")
    finally:
        os.close(memory)
