"""From a rename into the folder to the first byte of the request at the service, with `settle: 0s`.

Once on an otherwise idle daemon, and once while other documents of other queues are being claimed and sent.
The first drops after the start, which log in and open connections, are made before the measurement.
"""

import hashlib
import threading
import time

from benchmarks.place import DIGITOO, Place, daemon, ledger, machine, png_of, sandbox, share, until

DROPS, WARM_UP = 200, 20
GOAL_MEDIAN_MS, GOAL_P99_MS = 20.0, 100.0


def main() -> None:
    """Print a line for each of the two cases, with the goals."""
    print(machine())
    for busy in (False, True):
        with sandbox() as origin, daemon(DIGITOO, origin, queues=3, concurrency=8) as place:
            delays = _measure(place, origin, busy=busy)
        median, p99 = share(delays, 0.5), share(delays, 0.99)
        print(
            f"{'while others are claimed' if busy else 'idle':26} {len(delays)} drops: "
            f"median {median:.1f} ms (goal {GOAL_MEDIAN_MS:.0f}), p99 {p99:.1f} ms (goal {GOAL_P99_MS:.0f})"
        )


def _measure(place: Place, origin: str, *, busy: bool) -> list[float]:
    _drop(place, range(-WARM_UP, 0))
    until(lambda: len(ledger(origin)) == WARM_UP, 60)
    over = threading.Event()
    other = threading.Thread(target=_others, args=(place, over))
    if busy:
        other.start()
    dropped = _drop(place, range(DROPS))
    over.set()
    if busy:
        other.join()
    until(lambda: dropped.keys() <= {e["sha256"] for e in ledger(origin)}, 60)
    arrived = {e["sha256"]: e["arrived_at"] for e in ledger(origin)}
    return [(arrived[digest] - moment) * 1000 for digest, moment in dropped.items()]


def _drop(place: Place, numbers: range) -> dict[str, float]:
    """Rename documents into the folder, fifty a second at most; return when, by their SHA-256."""
    dropped: dict[str, float] = {}
    outside = place.top / "outside.png"
    contents = {number: png_of(50_000, abs(number)) for number in numbers}
    digests = {number: hashlib.sha256(content).hexdigest() for number, content in contents.items()}
    for number, content in contents.items():
        outside.write_bytes(content)
        dropped[digests[number]] = time.time()
        outside.rename(place.drop("q0") / f"drop{number}.png")
        time.sleep(0.02)
    return dropped


def _others(place: Place, over: threading.Event) -> None:
    """Keep two other queues busy with 20 documents a second."""
    content = png_of(50_000, 10**6)
    number = 0
    while not over.wait(0.05):
        number += 1
        hidden = place.drop(f"q{1 + number % 2}") / ".hidden"
        hidden.write_bytes(content + b"%d" % number)
        hidden.rename(hidden.with_name(f"other{number}.png"))


if __name__ == "__main__":
    main()
