"""Count what happens: each arrow of a document, each scan, commit, pause and webhook; safe to call from any thread."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, Summary
from prometheus_client.metrics import MetricWrapperBase

from hotfolder.model import ErrorSource, Journey, State
from hotfolder.states import Event

STAGES = ("settle", "wait", "upload", "finish", "total")
"""Seen → ready → claimed → accepted → filed, and from seen to filed."""
_STAGE_S = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
"""From a small file on a quick service to a document that people work on for a day."""
_COMMIT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0)
"""From a solid-state disk's sync to a disk that is worn out."""
_RESULTS = {
    Event.ACCEPT: "accepted",
    Event.DELIVER: "accepted",
    Event.REFUSE: "refused",
    Event.DEFER: "not_taken",
    Event.DOUBT: "uncertain",
}
WEBHOOKS = ("taken", "turned_away", "put_off")

UPLOADS_TEXT = (
    "Uploads that ended, by what the service said: accepted, refused, not_taken (certainly), uncertain."
)
RETRIES_TEXT = "Uploads that were begun again after an earlier one of the same document was not taken."
SENT_TEXT = "Bytes of documents that the service took."
STAGES_TEXT = (
    "Seconds from one step of a document to the next: settle (seen to ready), wait (to claimed), "
    "upload (to accepted), finish (to filed); total (seen to filed)."
)
PAUSES_TEXT = "Pauses and stops that the program began by itself."
SCANS_TEXT = "Seconds that whole scans of a drop folder took."
COMMITS_TEXT = "Seconds that commits of the journal took."
WEBHOOKS_TEXT = "Calls of services, by what became of them: taken, turned_away, put_off (told to come again)."
RELOAD_TEXT = "Whether the configuration that was read last is in force."
LOADED_TEXT = "When the configuration in force was read."


P = ParamSpec("P")
_Counting = Callable[Concatenate["Counts", P], None]


def _harmless(count: _Counting[P]) -> _Counting[P]:
    """Have a fault in counting said once and nothing else: those who tell us are on a document's way."""

    @wraps(count)
    def counted(counts: "Counts", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(counts, *args, **kwargs)
        except Exception as problem:  # noqa: BLE001 — see above
            counts.tell_of(problem)

    return counted


class Counts:
    """The counters of one process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        q, c = "queue", "connection"
        self._uploads = Counter("hotfolder_uploads", UPLOADS_TEXT, [q, "result"], registry=registry)
        self._retries = Counter("hotfolder_upload_retries", RETRIES_TEXT, [q], registry=registry)
        self._bytes = Counter("hotfolder_sent_bytes", SENT_TEXT, [q], registry=registry)
        self._stages = Histogram(
            "hotfolder_stage_seconds", STAGES_TEXT, [q, "stage"], buckets=_STAGE_S, registry=registry
        )
        self._pauses = Counter("hotfolder_pauses", PAUSES_TEXT, [q], registry=registry)
        self._scans = Summary("hotfolder_scan_seconds", SCANS_TEXT, [q], registry=registry)
        self._commits = Histogram(
            "hotfolder_journal_commit_seconds", COMMITS_TEXT, buckets=_COMMIT_S, registry=registry
        )
        self._rows = Counter("hotfolder_journal_rows", "Rows that were committed.", registry=registry)
        self._webhooks = Counter("hotfolder_webhooks", WEBHOOKS_TEXT, [c, "result"], registry=registry)
        self._reload = Gauge("hotfolder_config_last_reload_successful", RELOAD_TEXT, registry=registry)
        self._loaded = Gauge(
            "hotfolder_config_last_reload_success_timestamp_seconds", LOADED_TEXT, registry=registry
        )
        self._faulty = False
        self._queues: frozenset[str] = frozenset()
        self._connections: frozenset[str] = frozenset()

    # Series -------------------------------------------------------------------------------------

    def keep(self, queues: Iterable[str], connections: Iterable[str], at: float) -> None:
        """Count for these from now on, from nought where they are new; all others vanish. `at`: seconds since 1970."""
        queues, connections = frozenset(queues), frozenset(connections)
        for metric in self._of_queues():
            for gone in self._queues - queues:
                metric.remove_by_labels({"queue": gone})
        for gone in self._connections - connections:
            self._webhooks.remove_by_labels({"connection": gone})
        self._queues, self._connections = queues, connections
        self._begin()
        self._reload.set(1)
        self._loaded.set(at)

    def refuse(self) -> None:
        """Take note that a new configuration was refused."""
        self._reload.set(0)

    def _of_queues(self) -> Iterator[MetricWrapperBase]:
        yield from (self._uploads, self._retries, self._bytes, self._stages, self._pauses, self._scans)

    def _begin(self) -> None:
        """Show each series before it first counts: what begins above nought is no increase."""
        for queue in self._queues:
            for metric in (self._retries, self._bytes, self._pauses, self._scans):
                metric.labels(queue)
            for result in dict.fromkeys(_RESULTS.values()):
                self._uploads.labels(queue, result)
            for stage in STAGES:
                self._stages.labels(queue, stage)
        for connection in self._connections:
            for result in WEBHOOKS:
                self._webhooks.labels(connection, result)

    @property
    def queues(self) -> list[str]:
        """Return the queues that are counted for, in the order of their names."""
        return sorted(self._queues)

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, without the moment at which each series began: all begin with the process."""
        for metric in self.registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    # What happens -------------------------------------------------------------------------------

    @_harmless
    def arrow(self, event: Event, journey: Journey, before: State | None, at: float) -> None:
        """Count one arrow that was recorded at a moment (seconds since 1970), `before` being the state it began in."""
        queue = journey.queue
        if queue not in self._queues:  # the last of one that is configured no more
            return
        if event is Event.CLAIM:
            self._took(queue, "settle", journey.ready_at - journey.seen_at)
            self._took(queue, "wait", journey.claimed_at - journey.ready_at)
        elif event is Event.SEND:
            self._retries.labels(queue).inc(before is State.DEFERRED)
        elif before is State.SENDING and journey.error_source is not ErrorSource.LOCAL:
            self._answered(event, journey)
        elif event is Event.FILE and not journey.recovered:
            self._filed(journey, at)

    def _answered(self, event: Event, journey: Journey) -> None:
        queue, result = journey.queue, _RESULTS[event]
        self._uploads.labels(queue, result).inc()
        if result == "accepted":
            self._bytes.labels(queue).inc(journey.stamp.size)
            if journey.accepted_at is not None:
                self._took(queue, "upload", journey.accepted_at - journey.claimed_at)

    def _filed(self, journey: Journey, at: float) -> None:
        if journey.accepted_at is not None:
            self._took(journey.queue, "finish", at - journey.accepted_at)
        self._took(journey.queue, "total", at - journey.seen_at)

    def _took(self, queue: str, stage: str, seconds: float) -> None:
        self._stages.labels(queue, stage).observe(max(seconds, 0.0))  # the wall clock may have been put back

    @_harmless
    def paused(self, queues: Iterable[str]) -> None:
        """Count that the program has just paused or stopped queues."""
        for queue in self._queues.intersection(queues):
            self._pauses.labels(queue).inc()

    @_harmless
    def scanned(self, queue: str, took_s: float) -> None:
        """Count one whole scan of a drop folder."""
        if queue in self._queues:
            self._scans.labels(queue).observe(took_s)

    @_harmless
    def committed(self, rows: int, took_s: float) -> None:
        """Count one commit of the journal."""
        self._commits.observe(took_s)
        self._rows.inc(rows)

    @_harmless
    def told(self, connection: str, result: str) -> None:
        """Count one call of a service, by a word of `WEBHOOKS`; calls for nobody are not counted."""
        if connection in self._connections:
            self._webhooks.labels(connection, result).inc()

    def tell_of(self, problem: Exception) -> None:
        """Say the first time that something was not counted."""
        if not self._faulty:
            logger.opt(exception=problem).error("the figures of /metrics are not right any more")
        self._faulty = True
