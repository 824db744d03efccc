"""The ledger's own book-keeping."""

import threading

from hotfolder.sandbox.ledger import RECENT_REQUESTS, Entry, Ledger, RequestLine


def _entry(number):
    return Entry(number, "rossum", "1", "body", "a.pdf", None, 3, "00", 0.0, {"task": "1"})


def test_entries_are_a_copy():
    """What was read does not change when more is taken."""
    ledger = Ledger()
    ledger.commit(_entry(1))
    before = ledger.entries
    ledger.commit(_entry(2))
    assert (len(before), len(ledger), [line["number"] for line in ledger.as_json()]) == (1, 2, [1, 2])


def test_requests_are_bounded_and_counted():
    """All requests are counted, the recent ones kept."""
    ledger = Ledger()
    for _ in range(RECENT_REQUESTS + 5):
        ledger.note(RequestLine(0.0, "GET", "/rossum/api/v1/queues", ""))
    ledger.note(RequestLine(0.0, "OPTIONS", "*", ""))
    assert len(ledger.requests) == RECENT_REQUESTS
    assert ledger.counts == {"GET /rossum": RECENT_REQUESTS + 5, "OPTIONS /*": 1}
    ledger.clear()
    assert (ledger.requests, dict(ledger.counts)) == ([], {})


def test_reading_while_another_thread_writes():
    """Lists can be read from any thread at any time."""
    ledger, failures, done = Ledger(), [], threading.Event()

    def read():
        while not done.is_set():
            try:
                assert len(ledger.requests) <= RECENT_REQUESTS
            except RuntimeError as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20_000):
        ledger.note(RequestLine(0.0, "GET", "/x", ""))
    done.set()
    reader.join()
    assert failures == []
