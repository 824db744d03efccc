"""Decide what an answer means for a document: the table of statuses, and the four ways to fail (pure)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NoReturn
from urllib.parse import urlsplit

from hotfolder.backends import answers
from hotfolder.backends.answers import Reply, Secrets
from hotfolder.backends.base import Refused, Scope, Unauthorized, Unavailable, Uncertain
from hotfolder.model import Answer, Remote
from hotfolder.retry import parse_retry_after
from hotfolder.settings import ConnectionSection


class Verdict(StrEnum):
    """What a status means; the first four are the words of the `statuses` setting."""

    DONE = "done"
    FAIL = "fail"
    RETRY = "retry"
    PAUSE = "pause"
    PAUSE_QUEUE = "pause the queue"
    BUSY = "busy"
    """Certainly not taken, and no attempt: 425, 429."""
    ASK = "ask"
    """Nobody knows whether it was taken."""


STATUSES: Mapping[str, Verdict] = {
    "401": Verdict.PAUSE,
    "402": Verdict.PAUSE,
    "403": Verdict.PAUSE,
    "404": Verdict.PAUSE_QUEUE,  # the address holds the queue: every document of it would fail alike
    "405": Verdict.PAUSE,  # 405, 410, 426 and 501: this is not the address of that service
    "407": Verdict.PAUSE,
    "408": Verdict.ASK,
    "410": Verdict.PAUSE_QUEUE,
    "421": Verdict.RETRY,  # RFC 9110 §15.5.20: not processed, may be repeated
    "425": Verdict.BUSY,
    "426": Verdict.PAUSE,
    "429": Verdict.BUSY,
    "501": Verdict.PAUSE,
    "511": Verdict.PAUSE,  # a captive portal
}
"""What differs from the class of the status: 2xx done, 3xx pause, other 4xx fail, other 5xx ask."""

CLASSES: Mapping[int, Verdict] = {2: Verdict.DONE, 3: Verdict.PAUSE, 4: Verdict.FAIL}

ADVICE: Mapping[int, str] = {
    400: "Check that the document opens, and the queue's metadata and values; then drop it again.",
    409: "The service has this document or another that excludes it; look there before dropping it again.",
    411: "Check `base_url` and the proxy: they do not take uploads of this kind.",
    413: "The document is larger than the service takes: split it or scan it at a lower resolution.",
    414: "Shorten the file's name and drop it again.",
    415: "The service does not take this type of file: drop a PDF, JPEG, PNG or TIFF.",
    422: "The document is damaged or empty for the service: save or scan it anew, and drop it again.",
}
OTHER_ADVICE = "Correct what the service complains about and drop the document again."

SETTINGS: Mapping[int, str] = {
    401: "check user name, password, token or key of the connection",
    402: "the licence or plan does not cover this; ask the service's support",
    403: "check the account's rights and licence",
    404: "check `queue_id`, `document_class` and `upload.path`",
    407: "the proxy wants credentials; put them into HTTPS_PROXY",
    410: "check `queue_id` and `upload.path`",
}
OTHER_SETTINGS = "check `base_url` and `upload.path` of the connection"


@dataclass(frozen=True, slots=True)
class Profile:
    """What is peculiar to one service's answers, as data; the paths can be replaced by the settings."""

    service: str
    """Name for people."""
    message_paths: tuple[str, ...]
    key_paths: tuple[str, ...]
    statuses: Mapping[str, Verdict] = field(default_factory=dict)
    """What differs from `STATUSES`; keys as "404" or "404 INVALID_OUTPUT_FORMAT"."""
    known_keys: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Error keys of the specification, by status."""


class Judge:
    """Turns answers of one service into a yes or one of the four ways to fail."""

    def __init__(
        self, profile: Profile, connection: ConnectionSection, secrets: Secrets, now: Callable[[], float]
    ) -> None:
        self.profile = replace(
            profile,
            message_paths=connection.errors.message_paths or profile.message_paths,
            key_paths=connection.errors.key_paths or profile.key_paths,
        )
        self.secrets = secrets
        self._chosen = {key: Verdict(word) for key, word in connection.statuses.items()}
        self._statuses = {**STATUSES, **profile.statuses, **self._chosen}
        self.now = now

    def verdict(self, reply: Reply) -> Verdict:
        """Look up what an answer to an upload means; a status with its error key beats the bare status."""
        specific = self._statuses.get(f"{reply.status} {self.key(reply)}")
        plain = self._statuses.get(str(reply.status))
        return specific or plain or CLASSES.get(reply.status // 100, Verdict.ASK)

    def upload(self, reply: Reply) -> None:
        """Return for a yes to an upload; raise one of the four ways to fail else."""
        verdict = self.verdict(reply)
        if verdict in {Verdict.DONE, Verdict.ASK} and not reply.request_complete:
            self._cut_short(reply, verdict)
        if verdict is Verdict.FAIL:
            raise Refused(self.record(reply))
        if verdict in {Verdict.PAUSE, Verdict.PAUSE_QUEUE}:
            self._pause(reply, Scope.QUEUE if verdict is Verdict.PAUSE_QUEUE else Scope.CONNECTION)
        if verdict in {Verdict.RETRY, Verdict.BUSY}:
            self._later(reply, counts=verdict is Verdict.RETRY)
        if verdict is Verdict.ASK:
            raise Uncertain(
                f"{self.says(reply)}; it may have taken the document",
                status=reply.status,
                retry_after_s=self._retry_after_s(reply),
                probably_not_taken=self._refused_in_its_own_words(reply),
            )

    def doubt(self, reply: Reply, lack: str) -> None:
        """Raise `Uncertain` for a 2xx without what the service must answer; `statuses` can waive that."""
        if reply.good and str(reply.status) not in self._chosen:
            raise Uncertain(
                f"{self.says(reply)} without {lack}, so nobody knows whether it took the document",
                status=reply.status,
            )

    def read(self, reply: Reply) -> None:
        """Return for a yes to a question; raise `Unavailable` or `Unauthorized` else."""
        if reply.good:
            return
        if reply.status // 100 == 3 or reply.status in {401, 403, 407}:  # noqa: PLR2004 — 3xx
            self._pause(reply, Scope.CONNECTION)
        self._later(reply, counts=reply.status not in {425, 429})

    def told(self, reply: Reply) -> None:
        """Raise `Unavailable` for a yes to a question that is not JSON: a portal's or a proxy's, not the service's."""
        if reply.good and not reply.structured:
            raise Unavailable(
                f"{self.says(reply)}, which is not {self.profile.service}'s own answer; is `base_url` right, "
                "and is nothing in between that wants a log-in?",
                status=reply.status,
            )

    def key(self, reply: Reply) -> str | None:
        """Return the error key of an answer that is no success."""
        if reply.good:
            return None
        return answers.error_key(reply, self.profile.key_paths, self.profile.known_keys, self.secrets)

    def record(self, reply: Reply) -> Answer:
        """Make the response record of a refusal: the service's words, then what to do."""
        words = answers.messages(reply, self.profile.message_paths, self.secrets)
        said = words or (
            f"{self.profile.service} answered {answers.phrase(reply.status)} and gave no reason.",
        )
        return Answer(reply.status, self.key(reply), (*said, ADVICE.get(reply.status, OTHER_ADVICE)))

    def failed_later(
        self, words: tuple[str, ...], key: str, remote: Remote, advice: str = ADVICE[422]
    ) -> Refused:
        """Make the refusal of a document that was accepted first; 422, as for content that cannot be used."""
        said = tuple(answers.clean(one, self.secrets) for one in words if one)
        told = said or (f"{self.profile.service} could not import the document and gave no reason.",)
        return Refused(Answer(422, key, (*told, advice)), remote=remote)

    def says(self, reply: Reply) -> str:
        """Put an answer into half a sentence."""
        words = "; ".join(answers.messages(reply, self.profile.message_paths, self.secrets))
        said = f"{self.profile.service} answered {answers.phrase(reply.status)}"
        return answers.clean(f"{said} ({words})" if words else said, self.secrets)

    def _cut_short(self, reply: Reply, verdict: Verdict) -> NoReturn:
        """Judge a yes or an error that came before the document had gone out whole."""
        said = f"{self.says(reply)} before it had the whole document"
        if verdict is Verdict.DONE:
            raise Uncertain(said, status=reply.status)
        raise Unavailable(said, status=reply.status, retry_after_s=self._retry_after_s(reply))

    def _pause(self, reply: Reply, scope: Scope) -> NoReturn:
        raise Unauthorized(f"{self.says(reply)}; {self._remedy(reply)}", status=reply.status, scope=scope)

    def _remedy(self, reply: Reply) -> str:
        if reply.status // 100 != 3:  # noqa: PLR2004 — 3xx
            return SETTINGS.get(reply.status, OTHER_SETTINGS)
        host = _host(reply.headers.get("location", ""))
        towards = f" to {host}" if host else ""
        return f"that is a redirect{towards}, which is never followed; set `base_url` to where the service is"

    def _later(self, reply: Reply, *, counts: bool) -> NoReturn:
        raise Unavailable(
            self.says(reply), status=reply.status, retry_after_s=self._retry_after_s(reply), counts=counts
        )

    def _retry_after_s(self, reply: Reply) -> float | None:
        return parse_retry_after(reply.headers.get("retry-after"), self.now())

    def _refused_in_its_own_words(self, reply: Reply) -> bool:
        """True for a 503 that the service itself wrote, not a proxy before it."""
        by_path = (path for path in self.profile.message_paths if not path.startswith("header:"))
        return reply.status == 503 and isinstance(reply.document, dict) and bool(reply.text(*by_path))  # noqa: PLR2004


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or ""
    except ValueError:
        return ""
