"""Write counters, facts and the process's own figures in Prometheus' text format or as OpenMetrics."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from hotfolder import __version__
from hotfolder.metrics.counts import Counts
from hotfolder.metrics.facts import (
    CAUSES,
    COUNTED,
    GATES,
    MODES,
    NEEDING,
    STATES,
    ConnectionFacts,
    Facts,
    QueueFacts,
    Store,
)

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = ("done", "failed")


class Exposition:
    """The answer to a scrape."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)

    def write(self, facts: Facts | None, store: Store | None, accept: str) -> tuple[bytes, str]:
        """Return the text and its media type; blocks. What is None could not be had, and is left out.

        `accept` is what the caller takes: OpenMetrics where that is named.
        """
        everything = _Everything(self._counts, self._process, facts, store)
        if "application/openmetrics-text" in accept.lower():
            return generate_openmetrics(everything), OPENMETRICS  # type: ignore[no-untyped-call]
        return generate_latest(everything), PLAIN


@dataclass(frozen=True, slots=True)
class _Everything:
    counts: Counts
    process: CollectorRegistry
    facts: Facts | None
    store: Store | None

    def collect(self) -> Iterator[Metric]:
        yield _info("hotfolder_build_info", "The version of the program; always 1.", {"version": __version__})
        text = "Whether the documents' event loop told its state in time."
        yield _plain("hotfolder_loop_answers", text, self.facts is not None)
        yield from self.counts.collect()
        if self.facts is not None:
            yield from _about(self.facts)
        if self.store is not None:
            yield from _stored(self.store, self.counts.queues)
        yield from self.process.collect()


def _about(facts: Facts) -> Iterator[Metric]:
    yield _plain(
        "hotfolder_ready", "Whether every queue delivers and every loop runs, as /readyz says.", facts.ready
    )
    text = "Whether the journal can be written."
    yield _plain("hotfolder_journal_writable", text, facts.journal_writable)
    stalled = GaugeMetricFamily(
        "hotfolder_loop_stalled_seconds",
        "For how long a loop has worked without coming any further; 0: it is well.",
        labels=["loop"],
    )
    for loop, seconds in facts.stalled_s.items():
        stalled.add_metric([loop], seconds)
    yield stalled
    yield from _about_queues(facts.queues)
    yield from _watched(facts.queues)
    yield from _about_connections(facts.connections)


def _about_queues(queues: Iterable[QueueFacts]) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "hotfolder_queue_info", "Which connection a queue uses; always 1.", labels=["queue", "connection"]
    )
    documents = _of_queue(
        "hotfolder_documents", "Documents that are not at rest, and entries that are ignored.", "state"
    )
    needing = _of_queue(
        "hotfolder_attention_documents",
        "Documents that need a person: held (nobody can tell whether they arrived), stalled (the service is "
        "silent about them), missing, stuck, unfiled.",
        "reason",
    )
    oldest = _of_queue(
        "hotfolder_oldest_waiting_seconds",
        "How long the oldest document waits that is not at rest; 0: none does.",
    )
    unsent = _of_queue(
        "hotfolder_oldest_unsent_seconds",
        "How long the oldest waits that the service does not have; 0: none does.",
    )
    state = _of_queue("hotfolder_queue_state", "1 for the state that a queue is in.", "state")
    cause = _of_queue(
        "hotfolder_queue_waits", "1 for each cause that keeps the documents of a queue waiting.", "cause"
    )
    ready = _of_queue("hotfolder_queue_ready", "Whether what is dropped now will be delivered.")
    for queue in queues:
        info.add_metric([queue.name, queue.connection], 1)
        for word in COUNTED:
            documents.add_metric([queue.name, word], queue.counts.get(word, 0))
        for word in NEEDING:
            needing.add_metric([queue.name, word], queue.needing.get(word, 0))
        oldest.add_metric([queue.name], queue.oldest_waiting_s or 0.0)
        unsent.add_metric([queue.name], queue.oldest_unsent_s or 0.0)
        for word in STATES:
            state.add_metric([queue.name, word], word == queue.state)
        for word in CAUSES:
            cause.add_metric([queue.name, word], word in queue.causes)
        ready.add_metric([queue.name], queue.ready)
    yield from (info, documents, needing, oldest, unsent, state, cause, ready)


def _watched(queues: Iterable[QueueFacts]) -> Iterator[Metric]:
    mode = _of_queue("hotfolder_queue_watching", "1 for the way in which a drop folder is watched.", "mode")
    scan = _of_queue(
        "hotfolder_last_scan_timestamp_seconds", "When the last whole scan of a drop folder ended; 0: never."
    )
    window = _of_queue(
        "hotfolder_settle_window_seconds", "How long files must be quiet, with what was learned."
    )
    for queue in queues:
        for word in MODES:
            mode.add_metric([queue.name, word], word == queue.watching)
        scan.add_metric([queue.name], queue.last_scan or 0.0)
        window.add_metric([queue.name], queue.window_s)
    yield from (mode, scan, window)


def _about_connections(connections: Iterable[ConnectionFacts]) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "hotfolder_connection_info",
        "The service of a connection; always 1.",
        labels=["connection", "backend"],
    )
    gate = GaugeMetricFamily(
        "hotfolder_connection_gate",
        "1 for the state of a connection's gate: open, half_open (one document finds out), closed, paused.",
        labels=["connection", "state"],
    )
    failures = GaugeMetricFamily(
        "hotfolder_connection_failures", "Failed tries in a row.", labels=["connection"]
    )
    closed = GaugeMetricFamily(
        "hotfolder_connection_closed_seconds", "Seconds until the next try.", labels=["connection"]
    )
    for connection in connections:
        info.add_metric([connection.name, connection.backend], 1)
        for word in GATES:
            gate.add_metric([connection.name, word], word == connection.gate)
        failures.add_metric([connection.name], connection.failures)
        closed.add_metric([connection.name], connection.closed_s)
    yield from (info, gate, failures, closed)


def _stored(store: Store, queues: Iterable[str]) -> Iterator[Metric]:
    filed = CounterMetricFamily(
        "hotfolder_filed_documents",
        "Documents that were filed, by outcome (done, failed), since the journal began.",
        labels=["queue", "outcome"],
    )
    rejected = _of_queue(
        "hotfolder_rejected_later_documents", "Delivered documents that came to nothing later, as remembered."
    )
    for queue in queues:
        for outcome in OUTCOMES:
            filed.add_metric([queue, outcome], store.filed.get((queue, outcome), 0))
        rejected.add_metric([queue], store.rejected.get(queue, 0))
    yield from (filed, rejected)
    if store.journal_bytes is not None:
        yield _plain("hotfolder_journal_size_bytes", "Size of the journal's files.", store.journal_bytes)
    if store.free_bytes is not None:
        text = "Bytes that are free on the disk of the state directory."
        yield _plain("hotfolder_state_free_bytes", text, store.free_bytes)


def _of_queue(name: str, text: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["queue", *more])


def _plain(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _info(name: str, text: str, labels: dict[str, str]) -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, text, labels=list(labels))
    made.add_metric(list(labels.values()), 1)
    return made
