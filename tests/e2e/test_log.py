"""What a daemon writes to its log, and what becomes of it when nobody reads that."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from hotfolder.sandbox.server import SandboxServer
from tests.checks.samples import reportlab_pdf
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.pipeline.workshop import picture

HOTFOLDER = [sys.executable, "-m", "hotfolder"]
ODD = b"od\xffd\n\x1b[31m\xe2\x80\xae.pdf"
"""A name that is no UTF-8, breaks the line, colours the terminal and turns the direction of writing."""


def lines(place: Site) -> list[dict[str, Any]]:
    """Return the records of a log in JSON."""
    return [json.loads(line) for line in place.log.read_text().splitlines()]


def test_lines_of_documents(place: Site, sandbox: SandboxServer) -> None:
    """At INFO a delivered document is one line (two where the service works on it), a failed one two; all say whose.

    Retries and waiting files are none, however often they are tried.
    """
    place.write_config(CONFIG.replace("log: {{level: DEBUG}}", "log: {{format: json}}"))
    busy = {"match": {"service": "digitoo", "path": "*/upload", "first": 3}, "do": {"status": 429}}
    sandbox.play([busy])
    place.start()
    for queue in place.queues():
        (place.drop(queue) / f"{queue}.pdf").write_bytes(reportlab_pdf(1))
    (place.drop("to-digitoo") / "bad.pdf").write_bytes(b"%PDF-1.7 no more of it")
    Path(os.fsdecode(os.path.join(os.fsencode(place.drop("to-rossum")), ODD))).write_bytes(reportlab_pdf(2))
    for queue in place.queues():
        filed(place, "done", f"{queue}.pdf", 30)
    filed(place, "failed", "bad.pdf")
    wait_for(lambda: not place.waiting(), 30)
    assert place.stop() == 0
    found = lines(place)
    about = Counter(line["file"] for line in found if "file" in line)
    odd = "od\\xffd\\n\\x1b[31m\\u202e.pdf"
    assert about == {"to-digitoo.pdf": 1, "to-rossum.pdf": 2, "to-docdigitizer.pdf": 1, "bad.pdf": 2, odd: 2}
    for line in found:
        prefix = re.match(r"queue ([\w-]+)", line["message"])
        assert line.get("queue") == (prefix and prefix[1]), line
        assert ("upload_id" in line) == (re.search(r"\.pdf", line["message"]) is not None), line
        assert bool(line.get("upload_id")) <= bool(line.get("connection") and line.get("file")), line


def test_no_name_forges_a_line(place: Site) -> None:
    """In text a name with line breaks and escapes stays on its line, which ends in the id."""
    place.start()
    Path(os.fsdecode(os.path.join(os.fsencode(place.drop("to-rossum")), ODD))).write_bytes(reportlab_pdf(2))
    wait_for(lambda: place.archived("done"), 15)
    assert place.stop() == 0
    text = place.log.read_text()
    assert all(line.isprintable() for line in text.splitlines())
    assert re.search(
        r"(?m)^[-0-9]{10} [:.0-9]{12} INFO    queue to-rossum: od.*\.pdf accepted.* \[id [-0-9a-f]{36}\]$",
        text,
    )


def test_nobody_drains_the_log(tmp_path: Path, sandbox: SandboxServer) -> None:
    """With a pipe on standard error that fills up, documents go their way, questions are answered, and the end comes."""
    with site(tmp_path, sandbox, keys=QUICK) as place:
        read, write = os.pipe()
        place.process = subprocess.Popen([*HOTFOLDER, "-c", str(place.config), "run"], stderr=write)
        os.close(write)
        place.log.write_text("")
        wait_for(place.scanned, 30)
        for number in range(150):
            (place.drop("to-digitoo") / f"{'x' * 180}{number}.png").write_bytes(picture(number))
        wait_for(lambda: len(place.archived("done")) == 150, 60)
        os.set_blocking(read, False)
        assert len(os.read(read, 1 << 20)) > 60_000, "the pipe was full"
        assert place.stop() == 0
        os.close(read)


def test_without_standard_error(tmp_path: Path, sandbox: SandboxServer) -> None:
    """Started with closed standard streams, no document and no journal gets the number of one of them."""
    with site(tmp_path, sandbox, keys=QUICK) as place:
        command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *HOTFOLDER, "-c", str(place.config), "run"]
        place.log.write_text("")
        place.process = subprocess.Popen(command)
        wait_for(place.scanned, 30)
        (place.drop("to-digitoo") / "a.pdf").write_bytes(reportlab_pdf(1))
        filed(place, "done", "a.pdf")
        streams = {os.readlink(f"/proc/{place.process.pid}/fd/{number}") for number in range(3)}
        assert streams == {"/dev/null"}
        assert place.stop() == 0
