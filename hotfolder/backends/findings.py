"""Write down what a service found in a document: its own JSON, word for word, in a frame of ours."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import IO

from hotfolder.backends.answers import REVEALING_CHARS, Secrets
from hotfolder.backends.base import ANNOTATIONS_SCHEMA, CannotTell, Unavailable
from hotfolder.backends.json_stream import JsonStream, NotJsonError

MOST_BYTES = 64 * 1024 * 1024
"""Most that is taken of one document: some thousand times what the largest form holds."""
_IN_TEXTS_ALONE = re.compile(r'(?!.*")(?s:.*[^-+\s0-9.,:{}\[\]aeflnrstuE])')
"""What cannot stand outside of the texts of a JSON value, so that it can be blotted out and leaves JSON."""

Sink = Callable[[bytes], None]
"""Takes the next piece of an answer."""
Ask = Callable[[Sink], bool]
"""Asks for one answer and has it poured into a sink; False: the service has none."""


class Findings:
    """One file in the making, of the shape `hotfolder/annotations/1`."""

    def __init__(self, file: IO[bytes], secrets: Secrets, source: str, fetched_at: str) -> None:
        """Begin a file: `source` says what its annotations are, `fetched_at` is a moment in ISO 8601."""
        self._file = file
        self._secrets = [one.encode() for one in secrets.known() if _revealing(one)]
        self._size = 0
        frame = {"schema": ANNOTATIONS_SCHEMA, "fetched_at": fetched_at, "source": source}
        self._write(json.dumps(frame).removesuffix("}").encode())

    def each(self, key: str, asks: Sequence[Ask]) -> int:
        """Write the answers under a key: one by itself, several as a list, null for what there is none of.

        Returns how many there were. Raises `CannotTell` for what is too long, `Unavailable` for what is not whole.
        """
        found = 0
        several = len(asks) != 1
        self._write(f', "{key}": {"[" * several}'.encode())
        for number, ask in enumerate(asks):
            self._write(b", " * (number > 0))
            found += self._answer(ask)
        self._write(b"]" * several)
        return found

    def nothing(self, key: str) -> None:
        """Write null under a key."""
        self._write(f', "{key}": null'.encode())

    def end(self) -> None:
        """End the file."""
        self._write(b"}\n")

    def _answer(self, ask: Ask) -> bool:
        stream, blotter = JsonStream(), _Blotter(self._secrets)

        def take(piece: bytes) -> None:
            stream.feed(piece)
            self._write(blotter.feed(piece))

        try:
            there = ask(take)
            if there:
                stream.close()
        except NotJsonError as problem:
            raise Unavailable(f"what it found did not come whole, or is not JSON: {problem}") from None
        self._write(blotter.rest() if there else b"null")
        return there

    def _write(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MOST_BYTES:
            raise CannotTell(f"what it found is longer than {MOST_BYTES} bytes, and is not read further")
        self._file.write(piece)


class _Blotter:
    """Replaces secrets in what passes by in pieces."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._longest = max(map(len, self._secrets), default=1)
        self._held = b""
        """So much of the end that no secret can begin in what went on."""

    def feed(self, piece: bytes) -> bytes:
        found = self._held + piece
        for secret in self._secrets:
            found = found.replace(secret, b"***")
        cut = max(len(found) - self._longest + 1, 0)
        self._held = found[cut:]
        return found[:cut]

    def rest(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _revealing(secret: str) -> bool:
    """Tell whether a secret can be blotted out of a result: a short one is a word of it, digits are its numbers."""
    return len(secret) >= REVEALING_CHARS and bool(_IN_TEXTS_ALONE.match(secret))
