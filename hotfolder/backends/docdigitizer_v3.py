"""Speak to DocDigitizer (API v3, "docingester"): the answer to an upload is the result, and its state the verdict.

Of this generation nothing can be asked afterwards: an upload whose answer was lost stays uncertain.
"""

import json
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Container
from functools import partial
from io import BytesIO
from secrets import token_hex
from threading import Lock
from typing import IO, ClassVar
from urllib.parse import quote

from hotfolder.backends import answers, bodies
from hotfolder.backends.answers import Reply, Secrets
from hotfolder.backends.base import (
    PDF,
    Backend,
    CannotTell,
    Finding,
    Parcel,
    Receipt,
    Refused,
    Traits,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from hotfolder.backends.bodies import Body, Field, File
from hotfolder.backends.channel import Channel, Credentials, Token, reveal
from hotfolder.backends.findings import Findings, Sink
from hotfolder.backends.moments import iso
from hotfolder.backends.pace import Pace
from hotfolder.backends.policy import Judge, Profile
from hotfolder.backends.wire import Wire
from hotfolder.model import Remote
from hotfolder.settings import DocDigitizerConnection

PROFILE = Profile(
    "DocDigitizer",
    # The server writes camelCase, the vendor's pages PascalCase, a gateway before it `error` and `message`.
    message_paths=(
        "messages[]",
        "Messages[]",
        "messages[].message",
        "Messages[].Message",
        "message",
        "error.message",
        "error",
    ),
    key_paths=("error.code", "code"),
)
STATE_PATHS = ("stateText", "StateText", "state", "State")
GOOD = frozenset({"COMPLETED", "PROCESSING"})
"""States of a document that was taken (vendor's page on errors, and its client library)."""
BAD = frozenset({"ERROR", "FAILED"})
"""States of a document that was not, whatever the status is: a 200 alone says nothing."""
DOCUMENT_ID_PATHS = ("DocumentId", "documentId", "document_id")
TRACE_PATHS = ("traceId", "TraceId")
ANSWER_BYTES = 8 * 1024 * 1024
"""Most of an answer that is read: it holds what was found on up to a hundred pages."""
RESULTS_MAX = 32
"""Most results that are held at a time: far more than requests that run at once."""
RESULTS_BYTES = 2 * ANSWER_BYTES
"""Most bytes of them, so that documents of a hundred pages do not fill the memory either."""
_UNTOLD = "DocDigitizer's v3 interface has no list of documents, so it cannot be asked"


class DocDigitizerV3(Backend):
    """One account at DocDigitizer, spoken to by the synchronous interface."""

    traits: ClassVar[Traits] = Traits(
        "docdigitizer",
        frozenset({PDF}),  # OpenAPI description: PDF only; the vendor's newest page adds images
        50 * 1024 * 1024,  # "50 MB" (vendor's page of the end point); between MB and MiB the service decides
        needs_queue_id=False,
        follows_up=False,
    )

    def __init__(self, connection: DocDigitizerConnection, now: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._secrets = Secrets()
        self._judge = Judge(PROFILE, connection, self._secrets, now)
        self._wire = Wire(connection, PROFILE.service)
        credentials = Credentials({"X-API-Key": "{key}"}, self._key, renewable=False)
        self._channel = Channel(connection, self._wire, self._judge, credentials)
        self._lock = Lock()
        self._found: OrderedDict[str, bytes] = OrderedDict()

    @property
    def ahead_s(self) -> float | None:
        """See `Backend`."""
        return self._channel.ahead_s

    @property
    def pace(self) -> Pace:
        """See `Backend`."""
        return self._wire.pace

    def upload(self, parcel: Parcel) -> Receipt:
        """Send one document and wait for its result; the receipt is final."""
        path = self._path.replace("{name}", quote(parcel.name, safe="", errors="replace"))
        path = path.replace("{queue_id}", quote(parcel.queue_id or "", safe=""))
        reply = self._channel.upload(path, self._body(parcel), answer_bytes=ANSWER_BYTES)
        state = None if reply.foreign else reply.text(*STATE_PATHS)
        trace = reply.text(*TRACE_PATHS)
        remote = Remote(
            status=state and answers.clean(state, self._secrets),
            objects={"trace": answers.clean(trace, self._secrets)} if trace else {},
        )
        if reply.good and state is not None and state.upper() in BAD:
            raise self._judge.failed_later(self._words(reply), self._key_of(reply, state), remote)
        found = reply.ids(self._connection.upload.document_id_paths or DOCUMENT_ID_PATHS)
        if state is not None and state.upper() in GOOD:
            if parcel.results:
                self._keep(parcel, reply)
            # The id that we gave it is the service's handle where it names none of its own.
            return Receipt(reply.status, True, found or (parcel.upload_id,), remote)
        self._judge.doubt(reply, "a state that says whether it took the document")
        warning = "document_id_not_found: the answer does not say what became of the document"
        return Receipt(reply.status, True, found, remote, () if found else (warning,))

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Return the receipt: it was final."""
        del parcel
        return receipt

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Raise `CannotTell`: this generation lists nothing."""
        del parcel, since, known
        raise CannotTell(_UNTOLD)

    def results(self, receipt: Receipt, parcel: Parcel, into: IO[bytes]) -> bool:
        """Write the answer to the document's upload; raises `CannotTell` where a restart came in between."""
        del receipt
        with self._lock:
            found = self._found.get(parcel.upload_id)
        if found is None:
            raise CannotTell("the result came with the answer to the upload, which is gone since the restart")
        into.write(found)
        return True

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Show the key with a form that holds no document: who may send is told that it lacks one."""
        del queue_ids
        try:
            self._judge.told(self._channel.upload(self._path, _empty_form()))
        except Refused:
            pass  # it looked past the key, and misses the document
        except Uncertain as trouble:
            raise Unavailable(
                str(trouble), status=trouble.status, retry_after_s=trouble.retry_after_s
            ) from None
        except Unauthorized as error:
            if error.status != 404:  # noqa: PLR2004
                raise
            return [Finding(ok=False, text=f"{self._wire.host} has no {self._path}; check `base_url`")]
        text = "the API key is accepted at {}, but documents whose answer was lost cannot be looked up there"
        return [Finding(ok=True, text=text.format(self._wire.host))]

    def close(self) -> None:
        """Close the sockets."""
        self._channel.close()

    @property
    def _path(self) -> str:
        return self._connection.upload.path or "/extract"

    def _key(self) -> Token:
        return Token(reveal(self._connection.api_key, self._secrets, "the API key"))

    def _body(self, parcel: Parcel) -> Body:
        settings = self._connection.upload
        if settings.encoding not in {None, "multipart"}:
            raise Unauthorized("DocDigitizer takes multipart only; leave `upload.encoding` out")
        fields = {"contextID": _context(self._connection.name, parcel.queue)}
        # One id for one document, through all its tries; what is configured is the same for all.
        fields |= bodies.filled(settings.fields, parcel) | {"id": parcel.upload_id}
        file = File(parcel.name, parcel.media_type, parcel.size_bytes, parcel.pieces)
        parts = [Field(name, text) for name, text in fields.items()]
        return bodies.multipart(settings.file_field or "files", file, parts, token_hex(16))

    def _keep(self, parcel: Parcel, reply: Reply) -> None:
        """Hold on to a result for whoever asks for it; who does not ask in time loses it, not the memory."""
        answer = json.dumps(reply.document).encode()
        written = BytesIO()
        found = Findings(written, self._secrets, "answer", iso(self._judge.now()))
        found.each("annotations", [partial(_poured, answer)])
        found.nothing("reviews")
        found.end()
        with self._lock:
            self._found[parcel.upload_id] = written.getvalue()
            while len(self._found) > RESULTS_MAX or sum(map(len, self._found.values())) > RESULTS_BYTES:
                self._found.popitem(last=False)

    def _words(self, reply: Reply) -> tuple[str, ...]:
        return answers.messages(reply, self._judge.profile.message_paths, self._secrets)

    def _key_of(self, reply: Reply, state: str) -> str:
        found = answers.error_key(reply, self._judge.profile.key_paths, {}, self._secrets)
        return found or state.upper()


def _poured(answer: bytes, into: Sink) -> bool:
    into(answer)
    return True


def _context(connection: str, queue: str) -> str:
    """Return the UUID that all documents of a queue share; the same one after a restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"hotfolder:{connection}/{queue}"))


def _empty_form() -> Body:
    boundary = token_hex(16)
    content = f"--{boundary}--\r\n".encode()
    return Body(f"multipart/form-data; boundary={boundary}", len(content), lambda: iter((content,)))
