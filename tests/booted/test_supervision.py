"""What systemd does with the service, and the service with systemd: kills, hangs, reloads, stops."""

from pathlib import Path

import pytest

from tests.booted.machine import until
from tests.booted.office import CONFIG, TOP, Office

HANGING = Path(__file__).with_name("hanging.py")


def hang(office: Office, how: str, settings: str) -> None:
    """Have the unit start the installed program with a fault, under settings of its own."""
    office.machine.write("/opt/hanging.py", HANGING.read_text())
    start = f"/opt/hotfolder/bin/python3 /opt/hanging.py {how} --config {CONFIG} run"
    office.drop_in("hang", f"[Service]\nExecStart=\nExecStart={start}\n{settings}\n")


def test_killed_it_is_started_again(office: Office) -> None:
    """Killed while documents are taken and unanswered, it is started again, asks, and sends none of them twice."""
    office.sandbox.play([{"match": {"path": "*", "method": "POST", "file": "*"}, "do": {"delay_s": 3.0}}])
    office.start()
    office.drop(30)
    until(lambda: len(office.sandbox.ledger) >= 12, 60, office.told)
    first = office.property("MainPID")
    office.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "hotfolder")
    until(lambda: office.property("MainPID") not in {"0", first}, 60, office.told)
    office.sandbox.play([])
    office.prove()
    assert office.property("NRestarts") == "1"


@pytest.mark.parametrize("how", ["everything", "arrivals"])
def test_a_hang_is_ended_by_the_watchdog(office: Office, how: str) -> None:
    """An event loop, or one loop of it, that stands still is aborted and started again; nothing is lost or doubled."""
    hang(office, how, "WatchdogSec=6s")
    office.start()
    office.drop(30)
    until(lambda: len(office.sandbox.ledger) >= 3, 60, office.told)
    office.machine.run("touch", "/run/hang")
    office.drop(6)
    until(lambda: office.property("NRestarts") not in {"", "0"}, 90, office.told)
    office.prove()
    log = office.machine.log()
    assert "Watchdog timeout" in log
    assert "Failed with result 'watchdog'" in log
    assert "Current thread" in log, "a stack of each thread shows where it hung"
    assert ("arrivals of invoices has not come any further" in log) == (how == "arrivals")


def test_a_start_that_hangs_is_tried_again(office: Office) -> None:
    """A start that does not come to an end is aborted after TimeoutStartSec, without the time of a stop, and repeated."""
    hang(office, "start", "TimeoutStartSec=3s\nTimeoutStopSec=600s")
    office.drop(9)
    office.machine.run("systemctl", "enable", "hotfolder")
    office.machine.run("systemctl", "start", "--no-block", "hotfolder")
    office.prove()
    log = office.machine.log()
    assert "start operation timed out" in log
    assert "Current thread" in log, "a stack of each thread shows where it hung"
    assert office.machine.show("hotfolder", "NRestarts", "ActiveState") == {
        "NRestarts": "1",
        "ActiveState": "active",
    }


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one(office: Office) -> None:
    """A new queue works after a reload; a broken configuration is refused with its line, and the old one goes on."""
    office.start()
    pid = office.property("MainPID")
    text = office.machine.read(CONFIG)
    office.queues = (*office.queues, "letters")
    office.make_folder("letters")
    more = f"{text}  letters: {{connection: acme-digitoo, queue_id: q7, settle: 100ms}}\n"
    reload(office, more)
    until(lambda: office.queue("letters"), 60, office.told)
    office.drop(8)
    office.prove()
    assert office.filed_in("letters").total() == 2

    reload(office, more + "  wrong: {connection: nobody, settel: 1s}\n")
    until(lambda: "the last reload was refused" in office.property("StatusText"), 60, office.told)
    assert "settel" in office.machine.log()
    assert office.property("ActiveState") == "active"
    office.drop(8)
    until(office.all_filed, 60, office.told)

    reload(office, more)
    until(lambda: office.property("StatusText").startswith("4 queues"), 60, office.told)
    office.prove()
    assert office.property("MainPID") == pid


def reload(office: Office, text: str) -> None:
    """Write a configuration and tell the service."""
    office.machine.write(CONFIG, text, 0o640, "root:hotfolder")
    office.machine.run("systemctl", "reload", "hotfolder")


def test_stopped_under_load_it_ends_in_time_and_goes_on_later(office: Office) -> None:
    """A stop lets running requests finish, ends with 0 within the grace period, and the rest goes at the next start."""
    office.sandbox.play([{"match": {"path": "*", "method": "POST", "file": "*"}, "do": {"delay_s": 0.5}}])
    office.start()
    office.drop(60)
    until(lambda: len(office.sandbox.ledger) >= 3, 60, office.told)
    office.machine.run("systemctl", "stop", "hotfolder")
    told = office.machine.show("hotfolder", "Result", "ExecMainStatus", "ExecMainCode")
    assert told == {"Result": "success", "ExecMainStatus": "0", "ExecMainCode": "1"}, office.machine.log()
    assert office.lying(), "the stop came too late to show anything"
    office.start()
    office.prove()


def test_a_drain_longer_than_systemd_would_wait(office: Office) -> None:
    """Where `grace` is longer than the unit's TimeoutStopSec, the service asks for more time and gets it."""
    office.configure(grace="60s")
    office.drop_in("short", "[Service]\nTimeoutStopSec=1s\n")
    office.sandbox.play([{"match": {"path": "*", "method": "POST", "file": "*"}, "do": {"delay_s": 4.0}}])
    office.start()
    office.drop(3)
    until(lambda: len(office.sandbox.ledger) >= 3, 60, office.told)
    office.machine.run("systemctl", "stop", "hotfolder")
    assert office.property("Result") == "success", office.machine.log()
    office.start()
    office.prove()


def test_a_bad_configuration_is_not_tried_again(office: Office) -> None:
    """Exit status 78 is final for systemd: only a person can mend a configuration."""
    office.machine.write(CONFIG, "queues: {", 0o640, "root:hotfolder")
    assert office.machine.run("systemctl", "start", "hotfolder", check=False).returncode != 0
    told = office.machine.show("hotfolder", "NRestarts", "ExecMainStatus", "ActiveState")
    assert told == {"NRestarts": "0", "ExecMainStatus": "78", "ActiveState": "failed"}


def test_the_sandbox_holds(office: Office) -> None:
    """The service can write its folders and its journal, and nothing else of the system; it has no capability."""
    office.start()
    status = office.machine.read(f"/proc/{office.property('MainPID')}/status")
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(told["CapEff"], 16) == int(told["CapBnd"], 16) == 0
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    inside = ["nsenter", "-t", office.property("MainPID"), "-m", "--", "sh", "-c"]
    script = "for d in /etc /usr /opt/hotfolder /var/log; do touch $d/x 2>/dev/null && echo $d; done; true"
    assert office.machine.run(*inside, script).stdout == ""
    assert (
        office.machine.run(*inside, f"touch {TOP}/invoices/.x /var/lib/hotfolder/x && echo both").stdout
        == "both\n"
    )
