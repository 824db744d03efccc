"""The daemon at a service that counts its requests: uploads first, questions together, and never too many of both."""

import re
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from hotfolder.sandbox.ledger import RequestLine
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.builders import DEADLINE_S
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.pipeline.workshop import picture

ROSSUM = re.sub(r"  [gz]:\n(    .*\n)+|  to-d.*\n", "", CONFIG)
"""The configuration with Rossum's connection and queue alone."""
BUSY = {"match": {"service": "rossum", "over_per_second": 10}, "do": {"rate_limit": 1}}
"""Rossum's limit (API docs, rate limiting)."""


def dropped(place: Site, numbers: range) -> None:
    """Drop documents that all differ."""
    for number in numbers:
        place.drop("to-rossum").joinpath(f"{number}.png").write_bytes(picture(number))


def asked(sandbox: SandboxServer, word: str, method: str = "GET") -> list[RequestLine]:
    """Return the requests whose path has a word."""
    return [line for line in sandbox.ledger.requests if line.method == method and word in line.path]


def busiest(moments: list[float], within_s: float) -> int:
    """Return how many of the moments lie in the fullest window."""
    return max(sum(began <= at < began + within_s for at in moments) for began in moments)


def limited(per_second: float | None) -> str:
    """Return the configuration with another rate, None: the default."""
    limits = "{{concurrency: 4, per_second: 2000}}"
    return ROSSUM.replace(
        f"limits: {limits}\n", f"limits: {{{{per_second: {per_second}}}}}\n" if per_second else ""
    )


def test_default_limits_stay_below_what_rossum_takes(tmp_path: Path) -> None:
    """Thirty documents, killed half way and started again, never meet a 429; questions are half of all requests at most."""
    with (
        SandboxServer(scenario=[BUSY]) as sandbox,
        site(tmp_path, sandbox, keys=QUICK, text=limited(None)) as place,
    ):
        dropped(place, range(30))
        place.start(ready=False)
        wait_for(lambda: len(asked(sandbox, "/uploads", "POST")) >= 15, DEADLINE_S, "half of them sent")
        place.kill()
        place.start(ready=False)
        wait_for(lambda: len(place.archived("done")) == 30, 120, "all filed")
        requests = sandbox.ledger.requests
        assert 429 not in {line.status for line in requests}
        # Nine tenths of a second, since what goes out at equal distances does not arrive so.
        assert busiest([line.at for line in requests], 0.9) <= 10
        assert busiest([line.at for line in requests if line.method == "GET"], 0.9) <= 6
        names = [entry.file_name for entry in sandbox.ledger.entries]
        assert sorted(set(names)) == sorted(names)


def test_a_hundred_accepted_documents_share_questions(tmp_path: Path) -> None:
    """After a restart amid their imports a hundred documents share a few questions, and no task is asked again."""
    options = SandboxOptions(rossum_task_polls=0, rossum_annotation_polls=1_000_000)  # until it is ordered
    with SandboxServer(options) as sandbox, site(tmp_path, sandbox, keys=QUICK, text=ROSSUM) as place:
        dropped(place, range(100))
        place.start(ready=False)
        wait_for(lambda: len(named(asked(sandbox, "/annotations"))) == 100, 60, "all asked about")
        assert place.stop() == 0
        tasks = len(asked(sandbox, "/tasks"))
        sandbox.ledger.clear()
        place.start(ready=False)
        wait_for(lambda: len(named(asked(sandbox, "/annotations"))) == 100, 60, "all asked about again")
        assert max(len(named([one])) for one in asked(sandbox, "/annotations")) >= 25
        order = {"status": "to_review"}
        httpx.post(f"{sandbox.origin}/admin/annotations", json=order, trust_env=False).raise_for_status()
        wait_for(lambda: len(place.archived("done")) == 100, 120, "all filed")
        assert len(asked(sandbox, "/annotations")) <= 25
        assert tasks + len(asked(sandbox, "/tasks")) <= 200
        assert asked(sandbox, "/uploads", "POST") == []


def named(questions: list[RequestLine]) -> set[str]:
    """Return the annotations that questions were about."""
    found = (re.search(r"(?:^|&)id=([^&]*)", one.query) for one in questions)
    return {number for hit in found if hit for number in re.split("%2C|,", hit[1])}


def waiting_for_its_turn(place: Site, sandbox: SandboxServer) -> Callable[[], Any]:
    """Return what tells that a request has been waiting for a while, after others went out."""
    seen = [0, time.monotonic()]

    def still() -> bool:
        number = len(sandbox.ledger.requests)
        if number != seen[0]:
            seen[:] = [number, time.monotonic()]
        return number > 0 and time.monotonic() - seen[1] > 2.0

    return still


def test_a_stop_waits_for_nobody_s_turn(tmp_path: Path) -> None:
    """With one request in ten seconds SIGTERM ends the daemon at once, and what was not sent is sent by the next one."""
    with SandboxServer() as sandbox, site(tmp_path, sandbox, keys=QUICK, text=limited(0.1)) as place:
        dropped(place, range(3))
        place.start(ready=False)
        wait_for(waiting_for_its_turn(place, sandbox), DEADLINE_S, "a request waits")
        began = time.monotonic()
        assert place.stop() == 0
        assert time.monotonic() - began < 5
        assert len(place.waiting()) == 3
        place.write_config(limited(50))
        place.start(ready=False)
        wait_for(lambda: len(place.archived("done")) == 3, DEADLINE_S, "all filed")
        names = [entry.file_name for entry in sandbox.ledger.entries]
        assert sorted(names) == ["0.png", "1.png", "2.png"]


def test_a_reload_changes_the_limit(tmp_path: Path) -> None:
    """Who waits under a slow limit waits no longer once a reload has raised it; what was sent stays sent once."""
    with SandboxServer() as sandbox, site(tmp_path, sandbox, keys=QUICK, text=limited(0.1)) as place:
        dropped(place, range(5))
        place.start(ready=False)
        wait_for(waiting_for_its_turn(place, sandbox), DEADLINE_S, "a request waits")
        place.write_config(limited(50))
        assert place.process is not None
        place.process.send_signal(signal.SIGHUP)
        for number in range(5):
            filed(place, "done", f"{number}.png", DEADLINE_S)
        assert len(sandbox.ledger.entries) == 5


def test_a_rate_below_one_is_kept(tmp_path: Path) -> None:
    """One request in two seconds is what it says, also over a reload; questions come every other time at most."""
    with SandboxServer() as sandbox, site(tmp_path, sandbox, keys=QUICK, text=limited(0.5)) as place:
        dropped(place, range(1))
        place.start()
        wait_for(lambda: sandbox.ledger.requests, DEADLINE_S, "the first request")
        assert place.process is not None
        place.process.send_signal(signal.SIGHUP)
        filed(place, "done", "0.png", 60)
        moments = [line.at for line in sandbox.ledger.requests]
        assert min(after - before for before, after in pairwise(moments)) > 1.8
        looks = [line.at for line in sandbox.ledger.requests if line.method == "GET"]
        assert min(after - before for before, after in pairwise(looks)) > 3.8
