"""People are told by a real daemon, over real mail servers and webhooks, through restarts and `kill -9`."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hotfolder.journal import Reader
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import CONFIG, QUICK, Site, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.notices.receivers import Hook, Mailbox, badly, free_port

WITHIN_S = 60


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server without protection, on this machine."""
    with Mailbox() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver of webhooks."""
    with Hook() as receiver:
        yield receiver


def notify(port: int, hook: int, rules: str = "group: 0s", about: str = "") -> str:
    """Return the section that tells a mail server and a webhook."""
    office = f"via: email, to: it@acme.example, from: hf@acme.example, host: 127.0.0.1, port: {port}, security: none"
    return (
        f"\nnotify:\n  {rules}\n  targets:\n    office: {{{{{office}, timeout: 5s{about}}}}}\n"
        f"    ops: {{{{via: webhook, url: 'http://127.0.0.1:{hook}/s3cret-path', timeout: 5s{about}}}}}\n"
    )


Told = Callable[..., Site]


@pytest.fixture
def told(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Told]:
    """A site whose configuration ends in a given section."""
    places = []

    def make(section: str, **changes: str) -> Site:
        text = CONFIG
        for old, new in changes.items():
            text = text.replace(f"{old}: ", f"{old}: {new}  # ")
        with_it = site(tmp_path, sandbox, keys=QUICK, text=text + section)
        places.append(with_it)
        return with_it.__enter__()

    yield make
    for place in places:
        place.__exit__(None, None, None)


def drop(place: Site, name: str, content: bytes | None = None, queue: str = "to-digitoo") -> None:
    """Drop a document whole."""
    (place.top / "outside").write_bytes(reportlab_pdf(1) if content is None else content)
    (place.top / "outside").rename(place.drop(queue) / name)


def test_a_failed_document_is_told(told: Told, mailbox: Mailbox, hook: Hook) -> None:
    """Mail and webhook name the document that failed, why, and what to do."""
    place = told(notify(mailbox.port, hook.port))
    place.start()
    drop(place, "notes.pdf", b"no document at all, but long enough to be judged")
    wait_for(lambda: mailbox.letters and hook.told, WITHIN_S)
    assert "notes.pdf" in mailbox.subjects[0]
    assert "hotfolder retry --queue to-digitoo" in mailbox.text
    (notice,) = hook.notices
    assert (notice["phase"], notice["kind"], notice["file"]) == ("wrong", "failed", "notes.pdf")
    assert notice["queues"] == ["to-digitoo"]
    wait_for(lambda: all(one["waiting"] == 0 for one in status(place).values()), WITHIN_S)


def status(place: Site) -> dict[str, dict[str, object]]:
    """Return what `status --json` says of the targets."""
    found: dict[str, dict[str, object]] = json.loads(place.command("status", "--json").stdout)["notices"]
    return found


def test_nothing_is_told_twice_and_nothing_is_lost(told: Told, hook: Hook) -> None:
    """What could not be sent is sent after a restart by kill -9, once, and what was told is not told again."""
    nobody = free_port()
    place = told(notify(nobody, hook.port))
    place.start()
    drop(place, "notes.pdf", b"no document at all, but long enough to be judged")
    wait_for(lambda: hook.told, WITHIN_S)
    wait_for(lambda: status(place)["office"]["trouble"], WITHIN_S)
    assert "notices to office cannot be sent" in place.command("status").stdout
    place.kill()
    place.write_config(CONFIG + notify(nobody, hook.port))
    with Mailbox() as mailbox:
        place.write_config(CONFIG + notify(mailbox.port, hook.port))
        place.start()
        wait_for(lambda: "notes.pdf" in mailbox.text, WITHIN_S)
        wait_for(lambda: len(hook.told) == 2, WITHIN_S)  # the second: that it was killed
    files = [notice["file"] for notice in hook.notices]
    assert files == ["notes.pdf", None]
    assert "without being told to stop" in hook.notices[1]["what"]
    assert place.log.read_text().count("target office cannot be told") == 1


def test_an_orderly_stop_is_no_trouble(told: Told, mailbox: Mailbox, hook: Hook) -> None:
    """A service that is stopped and started again writes to nobody."""
    place = told(notify(mailbox.port, hook.port))
    place.start()
    wait_for(lambda: bookmark(place), WITHIN_S)
    assert place.stop() == 0
    place.start()
    drop(place, "notes.pdf", b"no document at all, but long enough to be judged")
    wait_for(lambda: mailbox.letters and hook.told, WITHIN_S)
    assert [notice["kind"] for notice in hook.notices] == ["failed"]


def bookmark(place: Site) -> str | None:
    """Return the mark of the run that has begun."""
    with closing(Reader(place.top / "state")) as reader:
        return reader.bookmark("run")


def test_a_queue_that_pauses(told: Told, mailbox: Mailbox, hook: Hook) -> None:
    """Wrong credentials are told once, with what to do; the program's own words hold no secret."""
    place = told(notify(mailbox.port, hook.port))
    place.write_config(
        (CONFIG + notify(mailbox.port, hook.port)).replace("sandbox-password", "wr0ng-p4ssword")
    )
    place.start()
    drop(place, "scan.pdf")
    wait_for(lambda: mailbox.letters and hook.told, WITHIN_S)
    assert "connection g is paused" in mailbox.subjects[0]
    assert "hotfolder check --online" in mailbox.text
    said = mailbox.text + json.dumps(hook.told) + place.log.read_text()
    assert "wr0ng-p4ssword" not in said
    assert "s3cret-path" not in place.log.read_text() + place.command("status", "--json").stdout


def test_killed_between_writing_and_the_answer(told: Told, hook: Hook) -> None:
    """A message that was under way at a kill -9 is sent again under its name: twice perhaps, never not at all."""
    heard = []

    def listens(connection: socket.socket, over: threading.Event) -> None:
        with connection.makefile("rb") as request:
            head = list(iter(request.readline, b"\r\n"))
            length = next(int(line.split()[1]) for line in head if line.lower().startswith(b"content-length"))
            heard.append(json.loads(request.read(length)))
        over.wait(WITHIN_S)

    with badly(listens) as port:
        place = told(notify(free_port(), port).replace("timeout: 5s", "timeout: 1m"))
        place.start()
        drop(place, "notes.pdf", b"no document at all, but long enough to be judged")
        wait_for(lambda: heard, WITHIN_S)
        place.kill()
    place.write_config(CONFIG + notify(free_port(), hook.port))
    place.start()
    wait_for(lambda: hook.told, WITHIN_S)
    assert hook.told[0]["id"] == heard[0]["id"]
    assert [notice["file"] for notice in hook.told[0]["notices"]] == ["notes.pdf"]


def test_receivers_that_hang_hold_up_nothing(told: Told) -> None:
    """With a mail server and a webhook that never answer, documents go on, and the service stops in time."""

    def hangs(_connection: socket.socket, over: threading.Event) -> None:
        over.wait(WITHIN_S)

    with badly(hangs) as mail, badly(hangs) as post:
        place = told(notify(mail, post).replace("timeout: 5s", "timeout: 1m"))
        place.start()
        drop(place, "notes.pdf", b"no document at all, but long enough to be judged")
        wait_for(lambda: all(one["waiting"] for one in status(place).values()), WITHIN_S)
        for number in range(10):
            drop(place, f"scan{number}.pdf", reportlab_pdf(number))
        wait_for(lambda: len(place.archived("done")) == 10, WITHIN_S)
        begun = time.monotonic()
        assert place.stop() == 0
        assert time.monotonic() - begun < 10 + 5  # the grace of this configuration, and a slow machine
    with closing(Reader(place.top / "state")) as reader:
        assert len(reader.pending_notices()) == 2


def test_what_goes_on_is_not_told_again_after_a_kill(told: Told, hook: Hook) -> None:
    """A connection that was paused before and is paused after a kill -9 is one trouble, told once."""
    section = notify(free_port(), hook.port)
    place = told(section)
    place.write_config((CONFIG + section).replace("sandbox-password", "wr0ng-p4ssword"))
    place.start()
    drop(place, "scan.pdf")
    wait_for(lambda: hook.told, WITHIN_S)
    wait_for(lambda: status(place)["ops"]["waiting"] == 0, WITHIN_S)
    place.kill()
    place.start()
    wait_for(lambda: len(hook.told) == 2, WITHIN_S)
    wait_for(lambda: "paused" in {queue["state"] for queue in place.status()}, WITHIN_S)
    drop(place, "notes.pdf", b"no document at all, but long enough to be judged", "to-docdigitizer")
    wait_for(lambda: len(hook.told) == 3, WITHIN_S)
    assert [notice["kind"] for notice in hook.notices] == ["queue", "program", "failed"]


def test_failures_together_are_one_letter(told: Told, mailbox: Mailbox, hook: Hook) -> None:
    """What fails together is told together, with its number and the first names."""
    place = told(notify(mailbox.port, hook.port, "group: 6s"))
    for number in range(100):
        drop(
            place,
            f"notes-{number:03}.pdf",
            b"no document, number %d, but long enough" % number,
            queue="to-digitoo",
        )
    place.start()
    wait_for(lambda: len(place.archived("failed")) == 100, WITHIN_S)
    wait_for(lambda: mailbox.letters, WITHIN_S)
    assert "100 documents of queue to-digitoo went to failed/" in mailbox.subjects[0]
    assert "and 95 more" in mailbox.text
    assert len(mailbox.letters) == 1
