"""File systems of a test's own: in memory, or in a file."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools import need


def need_mounts() -> None:
    """Skip the test where nothing can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")


def run(*words: str | Path, fine: frozenset[int] = frozenset({0})) -> None:
    """Run a program that must succeed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode in fine, f"{words}: {done.stderr or done.stdout}"


@contextmanager
def mounted(where: Path, *how: str | Path) -> Iterator[Path]:
    """Have something mounted for the length of a block; the folder is made where it is missing."""
    where.mkdir(parents=True, exist_ok=True)
    run("mount", *how, where)
    try:
        yield where
    finally:
        run("umount", where)


@contextmanager
def in_memory(where: Path, size: str = "64m") -> Iterator[Path]:
    """Have an empty file system of that size in memory."""
    need_mounts()
    with mounted(where, "-t", "tmpfs", "-o", f"size={size}", "tmpfs") as made:
        yield made


def make_ext4(image: Path, size_bytes: int) -> None:
    """Make an ext4 file system in a file."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    run(need("mkfs.ext4", "e2fsprogs"), "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", image)


def repair(image: Path) -> None:
    """Put right what a broken disk has left of an ext4 file system."""
    run(need("e2fsck", "e2fsprogs"), "-f", "-y", image, fine=frozenset({0, 1}))  # 1: errors were corrected
