"""What a scrape gets."""

import re

import pytest

from hotfolder.metrics import CAUSES, ConnectionFacts, Counts, Exposition, Facts, Store
from tests.web.sights import queue_facts

ACCEPT = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def counts() -> Counts:
    """Counters for two queues."""
    made = Counts()
    made.keep(["q", "ill"], ["g"], 1.0)
    return made


FACTS = Facts(
    (
        queue_facts("q"),
        queue_facts(
            "ill",
            state="paused",
            causes=("by_hand", "disk"),
            watching="polling",
            last_scan=None,
            oldest_waiting_s=None,
            needing={"held": 2},
        ),
    ),
    (ConnectionFacts("g", "digitoo", "closed", 3, 12.5),),
    journal_writable=False,
    stalled_s={"journal": 61.5, "web server": 0.0},
)


def lines(text: bytes) -> set[str]:
    """Return the samples of a text."""
    return {line for line in text.decode().splitlines() if not line.startswith("#")}


def test_states_are_one_for_what_is_so(counts: Counts) -> None:
    """Every word has its series, and those that apply are 1."""
    found = lines(Exposition(counts).write(FACTS, None, "")[0])
    assert 'hotfolder_queue_state{queue="ill",state="paused"} 1.0' in found
    assert 'hotfolder_queue_state{queue="ill",state="active"} 0.0' in found
    for cause in CAUSES:
        expected = float(cause in {"by_hand", "disk"})
        assert f'hotfolder_queue_waits{{cause="{cause}",queue="ill"}} {expected}' in found
        assert f'hotfolder_queue_waits{{cause="{cause}",queue="q"}} 0.0' in found
    assert 'hotfolder_queue_ready{queue="ill"} 0.0' in found
    assert "hotfolder_ready 0.0" in found
    assert 'hotfolder_loop_stalled_seconds{loop="journal"} 61.5' in found
    assert 'hotfolder_loop_stalled_seconds{loop="web server"} 0.0' in found
    assert "hotfolder_journal_writable 0.0" in found
    assert 'hotfolder_queue_watching{mode="polling",queue="ill"} 1.0' in found
    assert 'hotfolder_attention_documents{queue="ill",reason="held"} 2.0' in found
    assert 'hotfolder_oldest_waiting_seconds{queue="ill"} 0.0' in found
    assert 'hotfolder_last_scan_timestamp_seconds{queue="ill"} 0.0' in found
    assert 'hotfolder_connection_gate{connection="g",state="closed"} 1.0' in found
    assert 'hotfolder_connection_closed_seconds{connection="g"} 12.5' in found


def test_what_the_journal_tells(counts: Counts) -> None:
    """Filed documents go on where the journal's tallies are, for the queues that there are."""
    store = Store({("q", "done"): 70, ("gone", "done"): 9}, {"q": 1}, 4096, 1 << 20)
    text = Exposition(counts).write(None, store, "")[0]
    found = lines(text)
    assert 'hotfolder_filed_documents_total{outcome="done",queue="q"} 70.0' in found
    assert 'hotfolder_filed_documents_total{outcome="failed",queue="ill"} 0.0' in found
    assert 'hotfolder_rejected_later_documents{queue="q"} 1.0' in found
    assert "hotfolder_journal_size_bytes 4096.0" in found
    assert b"gone" not in text
    assert "hotfolder_loop_answers 0.0" in found


def test_names_follow_the_conventions_and_are_explained(counts: Counts) -> None:
    """Every figure of ours has a text and a type, counters end in _total, and no series is told twice."""
    store = Store({}, {}, 1, 1)
    text = Exposition(counts).write(FACTS, store, "")[0].decode()
    helped = dict(re.findall(r"(?m)^# HELP (hotfolder_\w+) (.+)$", text))
    typed = dict(re.findall(r"(?m)^# TYPE (hotfolder_\w+) (\w+)$", text))
    assert helped.keys() == typed.keys()
    assert all(len(words) > 15 for words in helped.values())
    assert {name for name, kind in typed.items() if kind == "counter"} == {
        name for name in typed if name.endswith("_total")
    }
    assert not [name for name in typed if name.endswith("_created")]
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))


def test_labels_are_few(counts: Counts) -> None:
    """What a queue costs Prometheus is bounded, whatever happens in it."""
    series = [s for s in lines(Exposition(counts).write(FACTS, Store(), "")[0]) if 'queue="q"' in s]
    assert len(series) < 140
    labels = set(re.findall(r"(\w+)=", " ".join(series)))
    assert labels <= {
        "queue",
        "connection",
        "state",
        "cause",
        "mode",
        "reason",
        "outcome",
        "result",
        "stage",
        "le",
    }


def test_both_formats_say_the_same(counts: Counts) -> None:
    """OpenMetrics ends with its mark, and has the same series."""
    exposition = Exposition(counts)
    opened, media_type = exposition.write(FACTS, Store(), ACCEPT)
    assert media_type.startswith("application/openmetrics-text")
    assert opened.endswith(b"# EOF\n")
    plain, media_type = exposition.write(FACTS, Store(), "text/plain")
    assert media_type.startswith("text/plain; version=0.0.4")

    def names(text: bytes) -> set[str]:
        return {line.rpartition(" ")[0] for line in lines(text)}

    assert names(opened) == names(plain)
