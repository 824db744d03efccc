"""What systemd does with the service, and the service with systemd: kills, hangs, reloads, stops."""

from tests.booted.machine import until
from tests.booted.office import CONFIG, TOP, Office

HANGING = """
import asyncio, os, sys, threading, time
from hotfolder.service import Service

begun = time.time()

def told():
    try:
        return os.stat("/run/hang").st_mtime > begun
    except OSError:
        return False

def watch(loop):
    while not told():
        time.sleep(0.02)
    loop.call_soon_threadsafe(time.sleep, 1000)

run = Service.run

async def hanging(self):
    threading.Thread(target=watch, args=(asyncio.get_running_loop(),), daemon=True).start()
    return await run(self)

Service.run = hanging
from hotfolder.__main__ import run as main
sys.argv[0] = "hotfolder"
main()
"""
"""The installed program, whose event loop stops at a sign."""


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


def test_a_hung_loop_is_ended_by_the_watchdog(office: Office) -> None:
    """An event loop that stands still is aborted and started again, and nothing is lost or doubled."""
    office.machine.write("/opt/hanging.py", HANGING)
    office.drop_in(
        "hang",
        "[Service]\nExecStart=\nExecStart=/opt/hotfolder/bin/python3 /opt/hanging.py --config "
        f"{CONFIG} run\nWatchdogSec=2s\n",
    )
    office.start()
    office.drop(30)
    until(lambda: len(office.sandbox.ledger) >= 3, 60, office.told)
    office.machine.run("touch", "/run/hang")
    until(lambda: office.property("NRestarts") == "1", 60, office.told)
    office.prove()
    log = office.machine.log()
    assert "Watchdog timeout" in log
    assert "Current thread" in log, "a stack of each thread shows where it hung"


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one(office: Office) -> None:
    """A new queue works after a reload; a broken configuration is refused with its line, and the old one goes on."""
    office.start()
    pid = office.property("MainPID")
    text = office.machine.read(CONFIG)
    office.make_folder("letters")
    more = f"{text}  letters: {{connection: acme-digitoo, queue_id: q7, settle: 100ms}}\n"
    office.machine.write(CONFIG, more, 0o640, "root:hotfolder")
    office.machine.run("systemctl", "reload", "hotfolder")
    until(lambda: office.queue("letters"), 60, office.told)
    office.drop(2, ("letters",))
    until(lambda: office.queue("letters").get("counts", {}).get("done") == 2, 60, office.told)

    office.machine.write(
        CONFIG, more + "  wrong: {connection: nobody, settel: 1s}\n", 0o640, "root:hotfolder"
    )
    office.machine.run("systemctl", "reload", "hotfolder")
    until(lambda: "is refused" in office.machine.log(), 60, office.told)
    assert "settel" in office.machine.log()
    until(lambda: office.property("ActiveState") == "active", 60, office.told)
    office.machine.write(CONFIG, more, 0o640, "root:hotfolder")
    office.drop(9)
    until(lambda: office.taken() == office.dropped, 60, office.told)
    assert office.property("MainPID") == pid


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
