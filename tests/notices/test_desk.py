import asyncio
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest
from loguru import logger

from hotfolder.journal import Change, Entry, Journal
from hotfolder.model import Earlier, ErrorSource, State
from hotfolder.notices import alarm, desk, outbox
from hotfolder.notices.desk import Desk
from hotfolder.settings import load_settings
from hotfolder.states import Event
from hotfolder.troubles import Arrived
from tests.builders import journey
from tests.notices.receivers import Hook, badly, free_port
from tests.notices.test_letters import SENDER
from tests.pipeline.workshop import Guarded, Workshop

CONFIG = """
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues: {{invoices: {{connection: acme, queue_id: 1, folder: /srv/invoices}}}}
notify:
  group: {group}
  targets:
"""
WITHIN_S = 20


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Have the loop go round often, and every wait short."""
    for module, name in ((desk, "TICK_S"), (outbox, "_AGAIN_S"), (alarm, "LASTS_S"), (alarm, "AGAIN_S")):
        monkeypatch.setattr(module, name, 0.02)


@pytest.fixture
def said():
    """Return the lines that are logged during a test."""
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    yield lines
    logger.remove(sink)


class Office:
    """A desk on a real journal beside a pipeline that stands still."""

    def __init__(self, tmp_path, journal, shop):
        self.tmp_path, self.journal, self.shop = tmp_path, journal, shop

    def settings(self, group="0s", **targets):
        """Return a configuration with webhooks at some ports."""
        lines = [
            f"    {name}: {{via: webhook, url: 'http://127.0.0.1:{port}/s3cret', timeout: 1s}}\n"
            for name, port in targets.items()
        ]
        file = self.tmp_path / "config.yaml"
        file.write_text(CONFIG.format(group=group) + "".join(lines))
        return load_settings(file, {"HOME": str(self.tmp_path)})

    def run(self, settings, until, then=None, journal=None):
        """Run a desk until a condition holds, then another function on it, and close it as at the end."""

        async def beside():
            made = Desk(journal or self.journal, self.shop.clock, lambda: [self.shop.lane], SENDER)
            made.apply(settings)
            task = asyncio.create_task(made.run())
            try:
                end = time.monotonic() + WITHIN_S
                while not until(made):
                    assert time.monotonic() < end, "waited in vain"
                    assert not task.done()
                    await asyncio.sleep(0.01)
                if then is not None:
                    await then(made)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                begun = time.monotonic()
                await made.close()
                self.closing_took_s = time.monotonic() - begun
                self.journal.settle("written", 1.0).result()  # and all that was to be written before it

        asyncio.run(beside())

    def fail(self, name=b"scan.pdf", journal=None, *, wait=True):
        """Write down a document that went to failed/."""
        book = journal or self.journal
        now = self.shop.clock.wall()
        one = journey(name=name, claimed_at=now)
        refused = replace(one, state=State.REFUSED, error_source=ErrorSource.LOCAL, reason="it is empty")
        filed = replace(refused, state=State.FILED, filed_at=now)
        book.record(Entry(one, Event.CLAIM, now), None)
        book.record(Entry(refused, Event.REFUSE, now), State.CLAIMED)
        written = book.record(Entry(filed, Event.FILE, now), State.REFUSED)
        if wait:
            written.result()
        return one.upload_id


@pytest.fixture
def office(tmp_path, journal):
    """Make a desk's surroundings."""
    (tmp_path / "drop").mkdir()
    shop = Workshop(tmp_path / "drop", journal, Guarded())
    yield Office(tmp_path, journal, shop)
    shop.disk.shutdown()


def files(hook):
    """Return the documents that a receiver was told of."""
    return [notice["file"] for notice in hook.notices]


def nothing_waits(made):
    """Tell whether every target was told everything."""
    return all(target["waiting"] == 0 for target in made.report().values())


def test_what_was_told_is_not_told_again(office):
    """A failure is told once, and taken out of the journal; the next run knows that."""
    with Hook() as hook:
        settings = office.settings(ops=hook.port)
        office.fail()
        office.run(settings, lambda made: hook.told and nothing_waits(made))
        office.fail(b"second.pdf")
        office.run(settings, lambda made: len(hook.told) == 2 and nothing_waits(made))
    assert files(hook) == ["scan.pdf", "second.pdf"]
    assert office.journal.reader.pending_notices() == []
    assert office.journal.reader.bookmark("run") == ""


def test_a_notice_is_written_down_before_it_is_sent(office):
    """At the moment in which the receiver has the message and has not answered, the journal has it under its name."""
    arrived, kept = threading.Event(), []

    def looks(connection, over):
        connection.recv(65536)
        kept.extend(office.journal.reader.pending_notices())
        arrived.set()
        over.wait(30)

    office.fail()
    with badly(looks) as port:
        office.run(office.settings(ops=port), lambda _: arrived.is_set())
    (row,) = kept
    assert row.letter
    with Hook() as hook:
        office.run(office.settings(ops=hook.port), lambda _: hook.told)
    assert [told["id"] for told in hook.told] == [row.letter]


def test_a_target_that_hangs_holds_up_nobody(office, said):
    """Others are told, the loop goes round, and the end comes in time; the reason is told once."""
    with badly(lambda _connection, over: over.wait(30)) as port, Hook() as hook:
        office.fail()
        settings = office.settings(bad=port, ops=hook.port)
        office.run(settings, lambda made: hook.told and made.report()["bad"]["trouble"])

        async def goes_on(_made):
            office.fail(b"second.pdf")
            end = time.monotonic() + WITHIN_S
            while files(hook) != ["scan.pdf", "second.pdf"]:
                assert time.monotonic() < end
                await asyncio.sleep(0.01)

        office.run(settings, lambda _: True, goes_on)
    assert office.closing_took_s < 5
    assert sum("target bad cannot be told" in line for line in said) == 2  # once in each run
    assert not any("s3cret" in line for line in said)


def test_what_was_certainly_not_taken_goes_with_what_is_new(office):
    """After a mail server was away everything comes in one message."""
    office.fail()
    nobody = office.settings(ops=free_port())
    office.run(nobody, lambda made: made.report()["ops"]["trouble"])
    assert [row.letter for row in office.journal.reader.pending_notices()] == [None]
    office.fail(b"second.pdf")
    with Hook() as hook:
        office.run(office.settings(ops=hook.port), lambda _: hook.told)
    assert files(hook) == ["scan.pdf", "second.pdf"]
    assert len(hook.told) == 1


def test_a_thousand_failures_are_one_message(office):
    """A backlog that fails within `group` is one message with its number."""
    with Hook() as hook:
        for number in range(1000):
            office.fail(b"scan%d.pdf" % number, wait=number == 999)
        office.run(office.settings(group="3s", ops=hook.port), lambda made: hook.told and nothing_waits(made))
    (message,) = hook.told
    assert "1000 documents of queue invoices went to failed/" in message["subject"]


def test_a_document_that_was_mended(office):
    """Its delivery is told to whoever was told of its failure."""
    with Hook() as hook:
        settings = office.settings(ops=hook.port)
        failed = office.fail()
        office.run(settings, lambda made: hook.told and nothing_waits(made))
        now = office.shop.clock.wall()
        again = journey(state=State.CLAIMED, retries=Earlier(failed, b"", b"scan.pdf"))
        office.journal.record(Entry(again, Event.CLAIM, now), None).result()
        sent = replace(again, state=State.DELIVERED)
        office.journal.record(Entry(sent, Event.DELIVER, now), State.CLAIMED).result()
        office.journal.record(
            Entry(replace(sent, state=State.FILED), Event.FILE, now), State.DELIVERED
        ).result()
        office.run(settings, lambda _: len(hook.told) == 2)
    assert [notice["phase"] for notice in hook.notices] == ["wrong", "well again"]


def test_the_journals_own_trouble_is_told_without_it(office, tmp_path, said):
    """While nothing can be written down, that is told, once; afterwards everything else is."""
    (tmp_path / "small").mkdir()
    with closing(Journal(tmp_path / "small")) as full, Hook() as hook:
        settings = office.settings(ops=hook.port)
        office.fail(journal=full)
        pages = full._writer.execute("PRAGMA page_count").fetchone()[0]
        full._writer.execute(f"PRAGMA max_page_count = {pages}")

        async def room_again(made):
            await asyncio.sleep(0.3)
            assert len(hook.told) == 1
            full._writer.execute("PRAGMA max_page_count = 1000000")
            end = time.monotonic() + WITHIN_S
            while "scan.pdf" not in files(hook):
                assert time.monotonic() < end
                await asyncio.sleep(0.02)

        _fill(full)
        office.run(settings, lambda _: hook.told, room_again, full)
        assert hook.notices[0]["key"] == "journal"
        assert [told.trouble.key for told in full.reader.told() if told.over_at is None][-1] == "journal"
    assert sum("notices cannot be made" in line for line in said) == 1


def _fill(book):
    """Let nothing more be written into a journal whose size is bounded."""
    with pytest.raises(OSError, match="full"):  # noqa: PT012 — so often until it is full
        for number in range(10_000):
            book.tell(Change(arrived=(Arrived(f"{'x' * 500}{number}", 1, 1, 1.0),))).result()


def test_a_run_that_was_killed_is_told(office):
    """Whoever starts after a run that did not end in good order says so, once; an orderly end is no news."""
    office.journal.tell(Change(running="killed")).result()
    with Hook() as hook:
        settings = office.settings(ops=hook.port)
        for _ in range(2):
            office.run(settings, lambda made: hook.told and nothing_waits(made))
    (notice,) = hook.notices
    assert notice["kind"] == "program"


def test_targets_that_are_gone(office, said):
    """What waited for a target that is not configured any more is given up, and said."""
    office.fail()
    office.run(office.settings(old=free_port()), lambda made: made.report()["old"]["trouble"])
    with Hook() as hook:
        office.run(office.settings(ops=hook.port), lambda _: office.journal.reader.pending_notices() == [])
        assert hook.told == []
    assert any("target old is not configured any more" in line for line in said)


def test_a_reload_takes_up_other_targets(office):
    """A new configuration counts from the next round on; without `notify` nothing is made."""
    with Hook() as first, Hook() as second:

        async def reloads(made):
            made.apply(office.settings(ops=second.port))
            office.fail(b"second.pdf")
            end = time.monotonic() + WITHIN_S
            while not second.told:
                assert time.monotonic() < end
                await asyncio.sleep(0.01)
            made.apply(office.settings(ops=second.port).model_copy(update={"notify": None}))
            while office.journal.reader.bookmark("run") != "":
                assert time.monotonic() < end
                await asyncio.sleep(0.01)

        office.fail()
        office.run(office.settings(ops=first.port), lambda made: first.told and nothing_waits(made), reloads)
    assert (files(first), files(second)) == (["scan.pdf"], ["second.pdf"])
