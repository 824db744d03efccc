"""Disks that are full, read-only or broken, seen by the pipeline."""

import errno
import os
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from hotfolder import claims, spool
from hotfolder.backends.base import Refused
from hotfolder.model import Answer
from hotfolder.pipeline import line as pipeline_line
from hotfolder.status import state_of
from tests.builders import DEADLINE_S
from tests.pipeline.workshop import Opening, Workshop, picture


def broken(code: int, breaks: Callable[..., bool], call: Callable[..., Any]) -> Callable[..., Any]:
    """Return `call` as it is on a disk that answers with an error where `breaks` says so."""

    def tried(*args: Any, **kwargs: Any) -> Any:
        if breaks(*args):
            raise OSError(code, os.strerror(code))
        return call(*args, **kwargs)

    return tried


def state(shop: Workshop) -> tuple[str, str | None]:
    """Return what `status` says of the queue."""
    return state_of(shop.lane, shop.line)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE])
def test_done_cannot_be_written(code: int, workshop: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue pauses with the reason and claims nothing more; afterwards everything is filed, sent once."""
    shop = workshop()
    full = [True]
    sick = broken(code, lambda name, *_: full[0] and name.endswith(b".json"), spool.write_new)
    monkeypatch.setattr(spool, "write_new", sick)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.line.blocked, "noticed")
        assert state(shop) == ("paused", f"a.png cannot be filed: done/: {os.strerror(code)}")
        shop.put("b.png", picture(1))
        await shop.until(lambda: shop.drop.inbox.ready, "seen")
        assert shop.waiting() == ["b.png"]
        assert len(shop.backend.kept) == 1
        full[0] = False
        await shop.until(lambda: shop.at_rest(2), "filed")
        assert state(shop) == ("active", None)

    shop.run(scenario)
    assert len(shop.backend.kept) == 2
    assert sorted(shop.filed()) == ["a.png", "b.png"]


def test_done_that_hangs_does_not_fill_the_memory(workshop: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where filing takes for ever, only so many documents are delivered; the rest stay where they lie, and it is said."""
    monkeypatch.setattr(pipeline_line, "_MOST_UNFILED", 5)
    shop = workshop()
    hangs, write_new = Event(), spool.write_new

    def slow(*args: Any, **kwargs: Any) -> Any:
        assert hangs.wait(DEADLINE_S)
        return write_new(*args, **kwargs)

    monkeypatch.setattr(spool, "write_new", slow)

    async def scenario() -> None:
        for number in range(150):
            shop.put(f"{number}.png", picture(number))
        await shop.until(lambda: shop.line.blocked, "noticed")
        await shop.until(lambda: not shop.lane._crew.active, "all that was begun is delivered")
        told, why = state(shop)
        assert told == "paused"
        assert "more than 5 documents wait to be filed" in (why or "")
        assert len(shop.waiting()) > 50  # 64 are being filed
        hangs.set()
        await shop.until(lambda: shop.at_rest(150), "all filed")
        assert state(shop) == ("active", None)

    shop.run(scenario)
    assert len(shop.backend.kept) == 150


def test_failed_cannot_be_written(workshop: Opening) -> None:
    """A refused document that cannot be laid into failed/ is parked and reported, and the rest goes on."""
    shop = workshop()
    shop.backend.fail(Refused(Answer(422, None, ("damaged",))))
    (shop.top / "failed").write_bytes(b"in the way")

    async def scenario() -> None:
        shop.put("bad.png")
        await shop.until(lambda: shop.line.filing_trouble, "noticed")
        for number in range(5):
            shop.put(f"{number}.png", picture(number + 1))
        await shop.until(lambda: shop.at_rest(5), "the rest is filed")
        told, why = state(shop)
        assert told == "active"
        assert why is not None
        assert why.startswith("bad.png cannot be filed: failed/: ")
        (shop.top / "failed").unlink()
        await shop.until(lambda: shop.line.filed["failed"], "filed at last")
        assert state(shop) == ("active", None)

    shop.run(scenario)
    assert list(shop.filed("failed")) == ["bad.png"]


def test_nothing_can_be_claimed(workshop: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drop folder that was remounted read-only pauses its queue; documents stay, and work goes on by itself."""
    shop = workshop()
    read_only = [True]
    sick = broken(errno.EROFS, lambda *_: read_only[0], spool.move)
    monkeypatch.setattr(spool, "move", sick)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.line.blocked, "noticed")
        told, why = state(shop)
        assert (told, why) == ("paused", f"it could not be claimed: [Errno 30] {os.strerror(errno.EROFS)}")
        assert shop.waiting() == ["a.png"]
        read_only[0] = False
        await shop.until(lambda: shop.at_rest(1), "filed")
        assert state(shop) == ("active", None)

    shop.run(scenario)
    assert len(shop.backend.kept) == 1


def test_trouble_ends_without_a_document(workshop: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the document that could not be claimed is taken away, the queue finds out by itself that it works again."""
    shop = workshop()
    read_only = [True]
    monkeypatch.setattr(spool, "move", broken(errno.EROFS, lambda *_: read_only[0], spool.move))
    monkeypatch.setattr(spool, "touch", broken(errno.EROFS, lambda *_: read_only[0], spool.touch))

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.line.blocked, "noticed")
        (shop.top / "a.png").unlink()
        await shop.until(lambda: not shop.drop.inbox.entries and not shop.drop.inbox.ready, "gone")
        read_only[0] = False
        await shop.until(lambda: state(shop) == ("active", None), "active again")

    shop.run(scenario)
    assert not shop.backend.kept


def test_a_bad_sector_keeps_nobody_waiting(workshop: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that cannot be read to its end goes back and waits with its reason; the others are delivered."""
    shop = workshop()
    bad = picture(200)
    reads = []

    def digest(fd: int) -> str:
        content = os.pread(fd, 1 << 20, 0)
        if content == bad:
            reads.append(fd)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return genuine(fd)

    genuine = claims.digest_of
    monkeypatch.setattr(claims, "digest_of", digest)

    async def scenario() -> None:
        shop.put("bad.png", bad)
        await shop.until(lambda: reads, "tried")
        for number in range(5):
            shop.put(f"{number}.png", picture(number))
        await shop.until(lambda: shop.at_rest(5), "the rest is filed")
        await shop.until(lambda: (b"", b"bad.png") in shop.drop.inbox.entries, "seen again")
        assert "cannot be read" in shop.drop.inbox.entries[b"", b"bad.png"].reason
        assert state(shop) == ("active", None)

    shop.run(scenario)
    assert (shop.waiting(), len(reads)) == (["bad.png"], 1)
