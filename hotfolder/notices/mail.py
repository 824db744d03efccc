"""Send letters by SMTP, with bounds on how long the server may take and how much it may say."""

import smtplib
import socket
import ssl
import time
from base64 import b64encode
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from typing import Any

from hotfolder.notices.letters import Letter, Sender
from hotfolder.notices.ways import NotSentError, blotted, revealed
from hotfolder.settings import EmailTarget

_SAYS_BYTES = 64 * 1024
"""Most that a server may say about one message: a friendly one says some two kilobytes."""
_LINE_BYTES = 512
"""Longest line of a reply (RFC 5321 §4.5.3.1.5)."""
_PIECE_BYTES = 4096
_LINE_CHARS = 76
"""A message's lines are folded at this length (RFC 2822 §2.1.1: below 78)."""


class _TooMuchError(OSError):
    """The server says more, or for longer, than any server has reason to."""


class _Ear:
    """Reads what the server says, line by line, until a moment and up to a size; smtplib has neither bound."""

    def __init__(self, heard: socket.socket, deadline: float) -> None:
        self._socket = heard
        self._deadline = deadline
        self._left = _SAYS_BYTES
        self._buffer = b""

    def readline(self, most: int = -1) -> bytes:
        """Return a line with its end, b"" at the end of the connection; raises OSError."""
        del most
        while b"\n" not in self._buffer:
            if len(self._buffer) > 16 * _LINE_BYTES or self._left <= 0:
                raise _TooMuchError("it talks without end")
            self._socket.settimeout(_left_s(self._deadline))
            piece = self._socket.recv(min(_PIECE_BYTES, self._left))
            if not piece:
                line, self._buffer = self._buffer, b""
                return line
            self._left -= len(piece)
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        self._socket.settimeout(_left_s(self._deadline))  # for what is sent next
        return line + b"\n"

    def close(self) -> None:
        """Do nothing: the socket is smtplib's."""


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("it took too long in all")
    return left_s


class _Bounded:
    """Mixed into smtplib's clients: replies are read by an `_Ear`."""

    file: Any
    sock: Any

    def __init__(self, deadline: float, *place: Any, **how: Any) -> None:
        """Connect; `deadline` is the moment (monotonic) at which all must be over."""
        self.deadline = deadline
        super().__init__(*place, **how)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply."""
        if self.file is None:  # at the beginning, and after STARTTLS
            self.file = _Ear(self.sock, self.deadline)
        return super().getreply()  # type: ignore[misc, no-any-return]


class _Plain(_Bounded, smtplib.SMTP):
    """SMTP, and STARTTLS."""


class _Tls(_Bounded, smtplib.SMTP_SSL):
    """SMTP over TLS from the first byte."""


class Mail:
    """The way to the mailboxes of one target."""

    def __init__(self, target: EmailTarget, sender: Sender) -> None:
        self._target = target
        self._sender = sender

    def send(self, letter: Letter) -> str | None:
        """See `Way`."""
        target = self._target
        password = None if target.password is None else revealed(target.password)
        where = f"the mail server {target.host}:{target.at_port}"
        try:
            refused = self._sent(self._message(letter), password)
        except smtplib.SMTPException as problem:
            certain = not isinstance(problem, smtplib.SMTPServerDisconnected)
            content = isinstance(problem, smtplib.SMTPDataError) and problem.smtp_code >= 500  # noqa: PLR2004 — RFC 5321
            said = f"{where} {self._said(problem, password)}"
            raise NotSentError(said, certain=certain, content=content) from None
        except ssl.SSLCertVerificationError as problem:
            raise NotSentError(
                f"the certificate of {where} is not trusted ({problem.verify_message}); correct `host`, or set `ca_file`"
            ) from None
        except UnicodeError:
            raise NotSentError(f"{where} takes user and password in ASCII alone; these are not") from None
        except (OSError, ValueError) as problem:
            reason = blotted(getattr(problem, "strerror", None) or str(problem), self._secrets(password))
            said = f"{where} cannot be used: {reason or type(problem).__name__}"
            raise NotSentError(said, certain=not isinstance(problem, TimeoutError)) from None
        return f"{where} refused {', '.join(sorted(refused))}" if refused else None

    def _sent(self, message: EmailMessage, password: str | None) -> dict[str, Any]:
        """Send a message; returns the recipients that were refused where others were not."""
        target = self._target
        host = (
            self._sender.host if "." in self._sender.host else "localhost"
        )  # else smtplib asks the DNS, unbounded
        how: dict[str, Any] = {"local_hostname": host, "timeout": target.timeout_s}
        context = ssl.create_default_context(cafile=target.ca_file)
        deadline = time.monotonic() + target.timeout_s
        client: smtplib.SMTP
        if target.security == "tls":
            client = _Tls(deadline, target.host, target.at_port, context=context, **how)
        else:
            client = _Plain(deadline, target.host, target.at_port, **how)
        try:
            if target.security == "starttls":
                client.starttls(context=context)
            if target.username is not None and password is not None:
                client.login(target.username, password)
            refused = client.send_message(message)
            with suppress(OSError, smtplib.SMTPException):
                client.putcmd("quit")  # its answer is not waited for: the letter was taken
            return refused
        finally:
            client.close()

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=WIRE.clone(max_line_length=_LINE_CHARS))
        message["From"] = self._target.sender
        message["To"] = ", ".join(self._target.to)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(self._sender.zoned(letter.at))
        domain = self._target.sender.rpartition("@")[2]
        message["Message-ID"] = f"<{letter.name}.hotfolder@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers
        message.set_content(letter.text, cte="quoted-printable")
        return message

    def _said(self, problem: smtplib.SMTPException, password: str | None) -> str:
        secrets = self._secrets(password)
        if isinstance(problem, smtplib.SMTPRecipientsRefused):
            code, words = next(iter(problem.recipients.values()))
            return f"refuses every recipient: {code} {blotted(_text(words), secrets)}"
        if isinstance(problem, smtplib.SMTPResponseException):
            what = "refuses the log-in" if isinstance(problem, smtplib.SMTPAuthenticationError) else "says"
            return f"{what}: {problem.smtp_code} {blotted(_text(problem.smtp_error), secrets)}"
        broke_off = isinstance(problem, smtplib.SMTPServerDisconnected)
        return f"{'broke off' if broke_off else 'cannot do that'}: {blotted(str(problem), secrets)}"

    def _secrets(self, password: str | None) -> tuple[str, ...]:
        if password is None:
            return ()
        plain = f"\0{self._target.username}\0{password}"
        return password, b64encode(plain.encode("utf-8", "surrogateescape")).decode(), plain


def _text(said: bytes | str) -> str:
    return said if isinstance(said, str) else said.decode("utf-8", "replace")
