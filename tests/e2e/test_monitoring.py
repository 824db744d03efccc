"""Monitoring as a sysadmin sets it up: Prometheus' own tools on a real daemon, its alerts and its dashboard."""

import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
import yaml

from hotfolder.sandbox.server import SandboxServer
from tests.builders import DEADLINE_S
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.e2e.test_webhooks import HEARING, port_of
from tests.test_certificates import laid_out
from tests.tools import need_server

PAGES = Path(__file__).parents[2] / "docs" / "monitoring"
TOKEN = "t0ken-that-nobody-guesses"
FIGURES = r"\b(?:hotfolder|process|python)_[a-z_]+\b"


@pytest.fixture
def promtool() -> str:
    """Prometheus' own judge of rules and figures."""
    return need_server("promtool", "prometheus")


@pytest.fixture
def watched(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Three queues, a web server on loopback, and services that may call."""
    with site(tmp_path, sandbox, keys=QUICK, text=HEARING) as place:
        place.start()
        yield place


def ask(place: Site, path: str, **headers: str) -> tuple[int, str]:
    """Ask a daemon on loopback; returns status and text."""
    line = http.client.HTTPConnection("127.0.0.1", port_of(place), timeout=DEADLINE_S)
    try:
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read().decode()
    finally:
        line.close()


def figure(place: Site, series: str) -> float | None:
    """Return what a series, written as Prometheus does, shows; None where there is none."""
    found = re.search(rf"(?m)^{re.escape(series)} (\S+)$", ask(place, "/metrics")[1])
    return float(found[1]) if found else None


def run(*command: str, text: str | None = None) -> str:
    """Run a program that must end well, and return what it says."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def deliver(place: Site) -> None:
    """Have a good and a bad document filed in each queue."""
    for number, queue in enumerate(place.queues()):
        (place.drop(queue) / "good.pdf").write_bytes(reportlab_pdf(number))
        (place.drop(queue) / "bad.pdf").write_bytes(b"no document")
    wait_for(lambda: len(place.archived("done")) == len(place.archived("failed")) == 3, 30)


# Rules -------------------------------------------------------------------------------------------


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    groups = yaml.safe_load((PAGES / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_the_rules_are_good(promtool: str) -> None:
    """Prometheus takes them, and each says how bad it is, what is wrong and what to do."""
    run(promtool, "check", "rules", str(PAGES / "alerts.yaml"))
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert rule["annotations"].keys() == {"summary", "action"}, name


def test_each_alert_fires_and_stays_quiet(promtool: str) -> None:
    """On simulated trouble, and not a moment earlier nor for a queue that is well; none is left untested."""
    said = run(promtool, "test", "rules", str(PAGES / "alerts_test.yaml"))
    assert "SUCCESS" in said
    fires, quiet = set(), set()
    for test in yaml.safe_load((PAGES / "alerts_test.yaml").read_text())["tests"]:
        for asked in test["promql_expr_test"]:
            [name] = re.findall(r'alertname="(\w+)"', asked["expr"])
            (fires if asked["exp_samples"] else quiet).add(name)
    assert fires == quiet == alerts().keys()


# Figures -----------------------------------------------------------------------------------------


def test_the_figures_of_a_daemon_at_work(watched: Site, promtool: str) -> None:
    """Prometheus' linter finds nothing; rules, dashboard and documentation name no figure that is not there."""
    deliver(watched)
    wait_for(
        lambda: figure(watched, 'hotfolder_stage_seconds_count{queue="to-rossum",stage="total"}') == 2, 15
    )
    status, text = ask(watched, "/metrics")
    assert status == 200
    assert run(promtool, "check", "metrics", text=text) == ""
    for name in watched.queues():
        for outcome in ("done", "failed"):
            assert f'hotfolder_filed_documents_total{{outcome="{outcome}",queue="{name}"}} 1.0' in text
        assert f'hotfolder_uploads_total{{queue="{name}",result="accepted"}} 1.0' in text
    assert "good" not in text
    assert "/" not in re.sub(r"(?m)^# .*|/metrics", "", text)
    there = set(re.findall(rf"(?m)^({FIGURES[2:-2]})", text))
    asked = {name for rule in alerts().values() for name in re.findall(FIGURES, rule["expr"])}
    board = json.loads((PAGES / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            asked |= set(re.findall(FIGURES, target["expr"]))
    for variable in board["templating"]["list"]:
        asked |= set(re.findall(FIGURES, str(variable["query"])))
    assert asked
    assert asked <= there
    families = set(re.findall(r"(?m)^# TYPE (hotfolder_\w+)", text))
    written = set(re.findall(r"`(hotfolder_\w+)`", (PAGES / "README.md").read_text()))
    assert families == written


def test_the_dashboard_is_well_formed() -> None:
    """Each panel has a place of its own and a datasource that is chosen where it is shown."""
    panels = json.loads((PAGES / "dashboard.json").read_text())["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}


def test_counters_go_on_over_a_restart_and_queues_go_with_a_reload(watched: Site) -> None:
    """What was filed is not forgotten; a queue that is configured no more has no series."""
    deliver(watched)
    series = 'hotfolder_filed_documents_total{outcome="done",queue="to-digitoo"}'
    assert wait_for(lambda: figure(watched, series), 15) == 1
    watched.kill()
    watched.log.write_text("")
    watched.start()
    assert figure(watched, series) == 1
    assert watched.process is not None
    shorter = re.sub(r"(?m)^  to-digitoo:.*\n", "", watched.text)
    watched.write_config(shorter)
    watched.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "to-digitoo" not in ask(watched, "/metrics")[1], 15)
    assert figure(watched, "hotfolder_config_last_reload_successful") == 1
    watched.config.write_text("nonsense")
    watched.process.send_signal(signal.SIGHUP)
    wait_for(lambda: figure(watched, "hotfolder_config_last_reload_successful") == 0, 15)


# States ------------------------------------------------------------------------------------------


def test_status_over_http_is_that_of_the_command(watched: Site) -> None:
    """The very same JSON, but for what has changed in between."""
    deliver(watched)
    wait_for(lambda: all(q["counts"]["done"] == q["counts"]["failed"] == 1 for q in watched.status()), 15)

    def still(report: dict[str, Any]) -> dict[str, Any]:
        for queue in report["queues"]:
            queue.pop("last_scan")
        return report

    def same() -> bool:
        told = still(json.loads(ask(watched, "/api/status")[1]))
        return told == still(json.loads(watched.command("status", "--json").stdout))

    wait_for(same, 15)


def test_readiness_follows_the_queues(watched: Site) -> None:
    """A pause by hand, a folder that is gone, and what is well again; a stranger is told of no queue."""

    def causes() -> dict[str, list[str]]:
        queues = json.loads(ask(watched, "/readyz")[1])["queues"]
        return {q["name"]: [c["cause"] for c in q["causes"]] for q in queues if not q["ready"]}

    assert wait_for(lambda: ask(watched, "/readyz")[0] == 200, 15)
    assert watched.command("pause", "to-rossum").returncode == 0
    wait_for(lambda: causes() == {"to-rossum": ["by_hand"]}, 15)
    assert ask(watched, "/readyz")[0] == 503
    assert ask(watched, "/readyz", Host="evil.example") == (503, '{"status":"not ready"}')
    assert figure(watched, 'hotfolder_queue_waits{cause="by_hand",queue="to-rossum"}') == 1
    away = watched.top / "away"
    shutil.move(watched.drop("to-digitoo"), away)
    watched.drop("to-digitoo").write_text("a file where the folder was")
    wait_for(lambda: causes().get("to-digitoo") == ["offline"], 90)
    assert figure(watched, 'hotfolder_queue_state{queue="to-digitoo",state="offline"}') == 1
    assert str(watched.top) not in ask(watched, "/readyz")[1]
    assert ask(watched, "/healthz")[0] == 200, "the daemon itself is well"
    watched.drop("to-digitoo").unlink()
    shutil.move(away, watched.drop("to-digitoo"))
    assert watched.command("resume", "to-rossum").returncode == 0
    wait_for(lambda: ask(watched, "/readyz")[0] == 200, 90)


def test_strangers_keep_neither_prometheus_nor_documents_out(watched: Site) -> None:
    """Hundreds who connect and say nothing, or half a word: every scrape is answered, every document delivered."""
    address = ("127.0.0.1", port_of(watched))
    with ExitStack() as open_:
        for number in range(400):
            one = open_.enter_context(socket.create_connection(address, timeout=DEADLINE_S))
            if number % 2:
                with suppress(OSError):  # it may have been hung up on already
                    one.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
            if number % 50 == 0:
                assert ask(watched, "/metrics")[0] == 200
        deliver(watched)
        assert ask(watched, "/readyz")[0] == 200
        assert (figure(watched, "process_open_fds") or 0) < 400
    assert watched.log.read_text().count("no room for one more") == 1


# Prometheus itself -------------------------------------------------------------------------------

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: hotfolder
    scheme: https
    authorization: {{credentials_file: {top}/prometheus-token}}
    tls_config: {{ca_file: {top}/ca.pem, cert_file: {top}/client.crt, key_file: {top}/client.key}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def laid_out_for_both(top: Path) -> trustme.CA:
    """Write token and certificates for a daemon and for Prometheus."""
    authority = trustme.CA()
    laid_out(top, authority)
    client = authority.issue_cert("prometheus")
    (top / "client.crt").write_bytes(client.cert_chain_pems[0].bytes())
    (top / "client.key").write_bytes(client.private_key_pem.bytes())
    for name in ("http-token", "prometheus-token"):
        (top / name).write_text(TOKEN)
        (top / name).chmod(0o600)
    return authority


@contextmanager
def prometheus(top: Path, port: int) -> Iterator[int]:
    """Have a Prometheus scrape the daemon on a port; yields its own port."""
    program = need_server("prometheus", "prometheus")
    own = free_port()
    (top / "prometheus.yaml").write_text(PROMETHEUS.format(rules=PAGES / "alerts.yaml", top=top, port=port))
    command = [program, f"--config.file={top}/prometheus.yaml", f"--storage.tsdb.path={top}/tsdb"]
    with (top / "prometheus.log").open("wb") as log:
        running = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{own}"], stderr=log)
    try:
        yield own
    finally:
        running.kill()
        running.wait()


def queried(port: int, query: str) -> list[dict[str, Any]]:
    """Return what Prometheus answers to a query, nothing while it starts."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        line.request("GET", "/api/v1/query?" + urlencode({"query": query}))
        answer = json.loads(line.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return []
    finally:
        line.close()
    found: list[dict[str, Any]] = answer.get("data", {}).get("result", [])
    return found


def test_prometheus_scrapes_over_mutual_tls_with_a_token(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The real one, set up as the documentation says, knows of a paused queue, and loads the alerts."""
    authority = laid_out_for_both(tmp_path)
    port = free_port()
    keys = "token: {{file: http-token}}, tls: {{certificate: tls.crt, key: tls.key, client_ca: ca.pem}}"
    text = f"http: {{{{listen: 0.0.0.0:{port}, {keys}}}}}" + CONFIG
    with site(tmp_path, sandbox, keys=QUICK, text=text) as place, prometheus(tmp_path, port) as asked:
        place.start()
        deliver(place)
        assert place.command("pause", "to-rossum").returncode == 0
        up = wait_for(lambda: queried(asked, 'up{job="hotfolder"} == 1'), 60, "scraped")
        assert up[0]["metric"]["instance"] == f"127.0.0.1:{port}"
        [paused] = wait_for(lambda: queried(asked, "hotfolder_queue_waits == 1"), 30)
        assert (paused["metric"]["queue"], paused["metric"]["cause"]) == ("to-rossum", "by_hand")
        total = wait_for(lambda: queried(asked, "sum(hotfolder_filed_documents_total) == 6"), 30)
        assert total
        wait_for(lambda: queried(asked, 'ALERTS{alertname="HotfolderQueuePausedByHand"}'), 30, "pending")
        nobody = ssl.create_default_context()
        authority.configure_trust(nobody)
        line = http.client.HTTPSConnection("127.0.0.1", port, context=nobody, timeout=DEADLINE_S)
        line.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert line.getresponse().status == 403
        line.close()
        filed(place, "done", "good.pdf")
        assert TOKEN not in place.log.read_text()
