"""The daemon as a sysadmin and a scanner meet it: bad input, other daemons, signals, services in trouble."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, Site, filed, site, wait_for
from tests.e2e.producers import pillow_jpeg, reportlab_pdf

HOTFOLDER = (sys.executable, "-m", "hotfolder")


HOSTILE_NAMES = [
    b"x" * 251 + b".pdf",
    "ž".encode() * 125 + b".pdf",
    b"not utf-8 \xff\xfe.pdf",
    b"line\nbreak\r.pdf",
    b"quo\"te's;semi&amp;.pdf",
    "💾 scan.pdf".encode(),
    "cafe\u0301.pdf".encode(),
    "caf\u00e9.pdf".encode(),
    b"no-extension",
    b"-rf.pdf",
    b"{0} <red> %s.pdf",
]


def test_names_of_every_kind_are_delivered_and_archived(place: Site, sandbox: SandboxServer) -> None:
    """Names are bytes: long ones, odd ones and twins all arrive, each with its own sidecar."""
    place.start()
    for queue in place.queues():
        for number, name in enumerate(HOSTILE_NAMES):
            hidden = os.fsencode(place.drop(queue)) + b"/.hidden"
            Path(os.fsdecode(hidden)).write_bytes(reportlab_pdf(hash(queue) % 1000 * 100 + number))
            os.rename(hidden, os.fsencode(place.drop(queue)) + b"/" + name)
    expected = 3 * len(HOSTILE_NAMES)
    wait_for(lambda: len(place.archived("done")) == expected, 30)
    assert place.stop() == 0
    assert len(sandbox.ledger) == expected
    assert place.archived("failed") == place.waiting() == []
    for path in place.archived("done"):
        json.loads(path.with_name(path.name + ".json").read_bytes().decode("utf-8"))


def heic() -> bytes:
    """The beginning of an iPhone's photo."""
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)


@pytest.mark.parametrize(
    ("name", "content", "status", "key", "says"),
    [
        ("phone.jpg", heic(), 415, "FILE_TYPE_NOT_SUPPORTED", "HEIC"),
        ("letter.pdf", b"Dear Sir or Madam,\n" * 20, 415, "FILE_TYPE_NOT_SUPPORTED", "plain text"),
        ("empty.pdf", b"", 422, "INCOHERENT_DATA", "empty"),
        ("cut.pdf", reportlab_pdf(1)[:700], 422, "INCOHERENT_DATA", "startxref"),
        ("zeros.tif", bytes(5000), 422, "INCOHERENT_DATA", "zero bytes"),
    ],
)
def test_a_document_that_cannot_be_sent_goes_to_failed_with_the_reason(
    place: Site, sandbox: SandboxServer, name: str, content: bytes, status: int, key: str, says: str
) -> None:
    """Refused before it was sent, with the code that the service would have used, in plain words."""
    (place.drop("to-rossum") / name).write_bytes(content)
    place.start()
    record = place.sidecar(filed(place, "failed", name))
    assert record["response"]["StatusCode"] == status
    assert record["response"]["ErrorKey"] == key
    assert says in record["response"]["Messages"][0]["Message"]
    assert record["response"]["DocumentIDs"] is None
    assert record["error_source"] == "local"
    assert len(sandbox.ledger) == 0


def test_one_byte_over_the_limit_is_refused_and_the_limit_itself_is_not(
    tmp_path: Path, sandbox: SandboxServer
) -> None:
    """`max_size` counts to the byte."""
    content = reportlab_pdf(1)
    with site(tmp_path, sandbox, keys=f"{QUICK}, max_size: {len(content)}") as place:
        place.start()
        (place.drop("to-digitoo") / "fits.pdf").write_bytes(content)
        (place.drop("to-digitoo") / "over.pdf").write_bytes(content + b"\n")
        filed(place, "done", "fits.pdf")
        record = place.sidecar(filed(place, "failed", "over.pdf"))
    assert record["response"]["StatusCode"] == 413
    assert str(len(content)) in record["response"]["Messages"][0]["Message"]


def test_what_is_no_regular_file_is_never_opened_and_is_explained(
    place: Site, sandbox: SandboxServer
) -> None:
    """A link to /etc/shadow, a FIFO, a socket, a folder named x.pdf stay where they are, by a rule."""
    drop = place.drop("to-digitoo")
    (drop / "shadow.pdf").symlink_to("/etc/shadow")
    (drop / "dangling.pdf").symlink_to("nowhere")
    os.mkfifo(drop / "fifo.pdf")
    (drop / "x.pdf").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(drop, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/socket.pdf")
        os.close(here)
        place.start()
        (drop / "good.pdf").write_bytes(reportlab_pdf(1))
        filed(place, "done", "good.pdf")
        for name in ("shadow.pdf", "dangling.pdf", "fifo.pdf", "x.pdf", "socket.pdf"):
            told = place.why(drop / name)
            assert told["state"] == "ignored", told
            assert told["rule"]
            assert os.path.lexists(drop / name)
    assert len(sandbox.ledger) == 1


def test_two_hundred_documents_of_one_name_all_keep_their_content(
    place: Site, sandbox: SandboxServer
) -> None:
    """A scanner that starts its numbering anew never overwrites what is archived."""
    place.start()
    drop = place.drop("to-digitoo")
    for number in range(200):
        hidden = drop / ".scan0001"
        hidden.write_bytes(pillow_jpeg(number))
        wait_for(lambda: not (drop / "scan0001.jpg").exists(), 15)
        hidden.rename(drop / "scan0001.jpg")
    wait_for(lambda: len(place.archived("done")) == 200, 30)
    assert len({p.read_bytes() for p in place.archived("done")}) == 200
    assert {place.sidecar(p)["file"]["name"] for p in place.archived("done")} == {"scan0001.jpg"}
    assert len({entry.sha256 for entry in sandbox.ledger.entries}) == len(sandbox.ledger) == 200


def test_a_file_is_left_alone_while_a_writer_has_it_open(place: Site, sandbox: SandboxServer) -> None:
    """Whole and quiet is not enough: page-by-page scanners keep the file open between pages."""
    place.start()
    path = place.drop("to-digitoo") / "open.pdf"
    with path.open("wb") as writer:
        writer.write(reportlab_pdf(1))
        writer.flush()
        wait_for(lambda: "open for writing" in place.why(path)["reason"], 10)
        assert len(sandbox.ledger) == 0
    filed(place, "done", "open.pdf")


def test_a_name_that_does_not_fit_the_content_is_sent_by_content_with_a_warning(
    place: Site, sandbox: SandboxServer
) -> None:
    """A PNG named .pdf goes out as image/png."""
    out = io.BytesIO()
    Image.new("RGB", (9, 9)).save(out, "PNG")
    place.start()
    (place.drop("to-docdigitizer") / "odd.pdf").write_bytes(out.getvalue())
    record = place.sidecar(filed(place, "done", "odd.pdf"))
    assert record["file"]["media_type"] == sandbox.ledger.entries[0].media_type == "image/png"
    assert ".pdf" in record["warnings"][0]


def test_a_second_daemon_is_refused_by_state_and_by_folder(place: Site, tmp_path: Path) -> None:
    """The message names the first; the first goes on."""
    place.start()
    assert place.process is not None
    same = place.command("run")
    assert same.returncode == 75
    assert f"process {place.process.pid}" in same.stderr
    other_config = tmp_path / "other.yaml"
    other_config.write_text(place.config.read_text().replace(f"{tmp_path}/state", f"{tmp_path}/other-state"))
    other = place.command("run", "-c", str(other_config))
    assert other.returncode == 75
    assert f"process {place.process.pid}" in other.stderr
    assert "in/to-" in other.stderr
    assert place.stop() == 0


def test_wrong_credentials_pause_the_queue_and_right_ones_resume_it(
    place: Site, sandbox: SandboxServer
) -> None:
    """The documents stay in the drop folder, `status` and `once` say why, and nobody has to restart."""
    accepted = sandbox.world.credentials
    sandbox.world.credentials = type(accepted)(docdigitizer_api_key="another-key")
    place.start()
    path = place.drop("to-docdigitizer") / "waits.pdf"
    path.write_bytes(reportlab_pdf(1))

    def state() -> str:
        return next(q["state"] for q in place.status() if q["name"] == "to-docdigitizer")

    wait_for(lambda: state() == "paused", 10)
    wait_for(path.exists, 5)
    wait_for(lambda: "paused" in place.why(path)["reason"], 5)
    assert "sandbox-api-key" not in place.log.read_text()
    sandbox.world.credentials = accepted
    filed(place, "done", "waits.pdf")
    wait_for(lambda: state() == "active", 10)
    assert len(sandbox.ledger) == 1


def test_a_new_configuration_is_taken_over_and_a_bad_one_refused(place: Site) -> None:
    """SIGHUP with a mistake leaves the old one at work; mended, the new queue lives."""
    place.start()
    assert place.process is not None
    place.write_config(place.text + "  more: {{connection: nowhere, settle: 0s}}\n")
    place.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "refused" in place.log.read_text(), 10)
    assert len(place.status()) == 3
    (place.top / "in/more").mkdir()
    place.write_config(place.text + "  more: {{connection: z, settle: 0s}}\n")
    place.process.send_signal(signal.SIGHUP)
    wait_for(lambda: place.scanned() and len(place.status()) == 4, 10)
    (place.top / "in/more/new.pdf").write_bytes(reportlab_pdf(5))
    wait_for((place.top / "in/more/done/new.pdf").exists, 10)
    assert place.stop() == 0


def test_a_folder_that_goes_away_is_offline_and_comes_back(place: Site, sandbox: SandboxServer) -> None:
    """Deleted and made again, it is watched again, without a restart."""
    place.write_config(place.text.replace("{keys}", "{keys}, rescan: 200ms"))
    place.start()
    drop = place.drop("to-digitoo")
    drop.rename(place.top / "away")
    wait_for(lambda: any(q["state"] == "offline" for q in place.status()), 10)
    drop.mkdir()
    wait_for(lambda: all(q["state"] == "active" for q in place.status()), 20)
    (drop / "later.pdf").write_bytes(reportlab_pdf(2))
    filed(place, "done", "later.pdf")
    assert len(sandbox.ledger) == 1


def test_once_takes_what_is_there_and_tells_how_it_went(place: Site, sandbox: SandboxServer) -> None:
    """0: all done; 1: some failed; 3: a queue is paused; 4: timeout; 78: configuration."""
    (place.drop("to-digitoo") / "good.pdf").write_bytes(reportlab_pdf(1))
    assert place.command("once").returncode == 0
    (place.drop("to-rossum") / "bad.pdf").write_bytes(b"")
    assert place.command("once").returncode == 1
    sandbox.play([{"match": {"service": "digitoo", "method": "POST"}, "do": {"status": 503}}])
    (place.drop("to-digitoo") / "late.pdf").write_bytes(reportlab_pdf(2))
    assert place.command("once", "--timeout", "1s").returncode == 4
    sandbox.play([{"match": {"service": "docdigitizer"}, "do": {"status": 401}}])
    (place.drop("to-docdigitizer") / "locked.pdf").write_bytes(reportlab_pdf(3))
    paused = place.command("once")
    assert paused.returncode == 3, paused
    place.config.write_text("queues: 3\n")
    assert place.command("once").returncode == 78


def test_sigterm_lets_a_running_request_finish(place: Site, sandbox: SandboxServer) -> None:
    """What is on the wire is finished and filed within the grace period; the exit status is 0."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload"}, "do": {"delay_s": 1.0}}])
    place.start()
    (place.drop("to-digitoo") / "last.pdf").write_bytes(reportlab_pdf(1))
    wait_for(lambda: sum(q["counts"]["claimed"] for q in place.status()), 10)
    assert place.stop() == 0
    assert [p.name for p in place.archived("done")] == ["last.pdf"]
    assert len(sandbox.ledger) == 1


def test_a_lost_answer_is_not_sent_again_before_the_service_was_asked(
    place: Site, sandbox: SandboxServer
) -> None:
    """The request arrived and the answer was lost: the document is found there, and adopted."""
    lost = [
        {"match": {"service": s, "file": "*.pdf", "first": 1}, "do": {"reset": "after_commit"}}
        for s in ("rossum", "digitoo", "docdigitizer")
    ]
    sandbox.play(lost)
    place.start()
    for number, queue in enumerate(place.queues()):
        (place.drop(queue) / f"{queue}.pdf").write_bytes(reportlab_pdf(number))
    for queue in place.queues():
        record = place.sidecar(filed(place, "done", f"{queue}.pdf", 30))
        assert record["recovered"] is True
        assert record["possible_duplicate"] is False
    assert len(sandbox.ledger) == 3


def test_a_document_that_did_not_arrive_is_sent_again_after_asking(
    place: Site, sandbox: SandboxServer
) -> None:
    """The connection broke after the body, before the service had taken it."""
    sandbox.play(
        [
            {"match": {"service": s, "file": "*.pdf", "first": 1}, "do": {"reset": "after_body"}}
            for s in ("rossum", "digitoo", "docdigitizer")
        ]
    )
    place.start()
    for number, queue in enumerate(place.queues()):
        (place.drop(queue) / f"{queue}.pdf").write_bytes(reportlab_pdf(number))
    for queue in place.queues():
        record = place.sidecar(filed(place, "done", f"{queue}.pdf", 30))
        assert record["recovered"] is False
        assert len(record["attempts"]) == 2
    assert len(sandbox.ledger) == 3


def test_a_service_that_is_away_costs_nothing_but_time(place: Site, sandbox: SandboxServer) -> None:
    """No connection, 429, 503: no document goes to failed/, and all go out when it is back."""
    place.start()
    sandbox.stop()
    for number, queue in enumerate(place.queues()):
        (place.drop(queue) / f"{queue}.pdf").write_bytes(reportlab_pdf(number))
    wait_for(lambda: all(q["reason"] for q in place.status()), 10, "every queue says what is wrong")
    sandbox.start()
    for queue in place.queues():
        filed(place, "done", f"{queue}.pdf", 30)
    assert place.archived("failed") == []
    assert len(sandbox.ledger) == 3


def test_init_check_and_run_work_as_the_readme_says(tmp_path: Path) -> None:
    """`init` writes a configuration that `check` finds good and `once` runs with."""
    top = tmp_path / "site"
    init = subprocess.run([*HOTFOLDER, "init", str(top)], capture_output=True, text=True, check=False)
    assert init.returncode == 0, init.stderr
    assert os.stat(top / "password").st_mode & 0o077 == 0
    with SandboxServer() as sandbox:
        config = top / "config.yaml"
        config.write_text(config.read_text().replace("http://127.0.0.1:8650", sandbox.origin))
        check = subprocess.run(
            [*HOTFOLDER, "check", "--online", "-c", str(config)], capture_output=True, text=True, check=False
        )
        assert check.returncode == 0, check.stdout
        (top / "drop/invoices/a.pdf").write_bytes(reportlab_pdf(1))
        once = subprocess.run(
            [*HOTFOLDER, "once", "-c", str(config)], capture_output=True, text=True, check=False
        )
        assert (once.returncode, len(sandbox.ledger)) == (0, 1), once.stderr
    again = subprocess.run([*HOTFOLDER, "init", str(top)], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_check_finds_what_would_go_wrong(place: Site) -> None:
    """A folder that is missing is reported with what to do, beside everything that is fine."""
    place.drop("to-rossum").rmdir()
    found = place.command("check")
    assert found.returncode == 1
    bad = [line for line in found.stdout.splitlines() if line.startswith("BAD")]
    assert len(bad) == 1
    assert "to-rossum" in bad[0]


def test_status_is_quick_and_works_without_a_daemon(place: Site) -> None:
    """The JSON has the same shape either way."""
    stopped = json.loads(place.command("status", "--json").stdout)["queues"]
    place.start()
    running = json.loads(place.command("status", "--json").stdout)["queues"]
    assert [q.keys() for q in stopped] == [q.keys() for q in running]
    assert {q["state"] for q in stopped} == {"stopped"}
    assert {q["state"] for q in running} == {"active"}
    started = time.monotonic()
    assert place.command("status").returncode == 0
    assert time.monotonic() - started < 10


def test_the_threads_of_the_daemon_share_one_arena(place: Site) -> None:
    """What its threads freed is in one place: no 64 MiB (glibc's HEAP_MAX_SIZE) are set aside for another arena."""
    place.start()
    assert place.process is not None
    heap_bytes = 64 << 20
    lines = [line.split() for line in Path(f"/proc/{place.process.pid}/maps").read_text().splitlines()]
    spans = [(*(int(end, 16) for end in words[0].split("-")), words[1]) for words in lines]
    arenas = [
        start
        for (start, _, used), (_, end, spare) in pairwise(spans)
        if start % heap_bytes == 0 and (used, spare) == ("rw-p", "---p") and end - start == heap_bytes
    ]
    assert arenas == []
