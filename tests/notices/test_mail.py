import base64
import socket
import ssl
import time
from datetime import UTC, datetime

import pytest
import trustme

from hotfolder.notices.letters import Letter, Sender
from hotfolder.notices.mail import Mail
from hotfolder.notices.ways import NotSentError
from hotfolder.settings.notify import EmailTarget
from hotfolder.settings.secrets import WrittenSecret
from tests.notices.receivers import PASSWORD, USER, Mailbox, badly, free_port

SENDER = Sender("files1.acme.example", lambda moment: datetime.fromtimestamp(moment, UTC))
LETTER = Letter(
    "n4me",
    "files1.acme.example",
    1_764_576_000.0,
    "[hotfolder] größte Not: 見積書.pdf",
    "Zeile eins\n.\nZeile zwei ü\n",
)


@pytest.fixture(scope="module")
def authority():
    """Make a certificate authority."""
    return trustme.CA()


@pytest.fixture
def context(authority):
    """Make a server's TLS context for localhost."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(made)
    return made


@pytest.fixture
def ca_file(authority, tmp_path):
    """Write the authority's certificate."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


def target(port, **changes):
    """Make a target on this machine."""
    given = {
        "security": "none",
        "host": "localhost",
        "timeout_s": 10.0,
        "to": ("it@acme.example",),
        **changes,
    }
    return EmailTarget(name="office", sender="hf@acme.example", port=port, **given)


def refusal(port, **changes):
    """Send to a server and return why it was not sent."""
    with pytest.raises(NotSentError) as caught:
        Mail(target(port, **changes), SENDER).send(LETTER)
    return caught.value


def test_a_letter_arrives_as_it_was_written():
    """Umlauts, a lone dot and other scripts come through, with a name that stays and no answer from machines."""
    with Mailbox() as box:
        assert (
            Mail(target(box.port, to=("it@acme.example", "boss@acme.example")), SENDER).send(LETTER) is None
        )
    (letter,) = box.letters
    assert letter["Subject"] == LETTER.subject
    assert letter.get_content().replace("\r\n", "\n") == LETTER.text
    assert letter["Message-ID"] == "<n4me.hotfolder@acme.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert (letter["From"], letter["Date"].datetime.timestamp()) == ("hf@acme.example", LETTER.at)
    assert box.recipients == [["it@acme.example", "boss@acme.example"]]


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # aiosmtpd does not see the TLS from the first byte
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_over_tls_with_a_log_in(security, context, ca_file):
    """STARTTLS and TLS from the first byte work with a company's own authority, and the password is taken."""
    secured = {"starttls": context} if security == "starttls" else {"tls": context}
    login = {"username": USER, "password": WrittenSecret(PASSWORD), "ca_file": ca_file, "security": security}
    with Mailbox(auth=True, **secured) as box:
        assert Mail(target(box.port, **login), SENDER).send(LETTER) is None
        wrong = refusal(box.port, **{**login, "password": WrittenSecret("another one")})
        unknown = refusal(box.port, **{**login, "ca_file": None})
    assert len(box.letters) == 1
    assert "refuses the log-in: 535" in str(wrong)
    assert "is not trusted" in str(unknown)
    assert "ca_file" in str(unknown)
    assert wrong.certain
    assert unknown.certain


def test_no_letter_goes_without_the_tls_that_was_asked_for():
    """A server (or somebody before it) that offers no STARTTLS gets neither password nor letter."""
    with Mailbox() as box:
        problem = refusal(box.port, security="starttls", username=USER, password=WrittenSecret(PASSWORD))
    assert "STARTTLS" in str(problem)
    assert box.letters == []


def test_some_recipients_refused_is_a_warning():
    """The others have the letter, so it is not sent again; where all are refused, it was not sent."""
    with Mailbox() as box:
        box.refused_recipients = {"gone@acme.example"}
        said = Mail(target(box.port, to=("gone@acme.example", "it@acme.example")), SENDER).send(LETTER)
        problem = refusal(box.port, to=("gone@acme.example",))
    assert "refused gone@acme.example" in said
    assert "refuses every recipient: 550 5.1.1 no such mailbox" in str(problem)
    assert problem.certain
    assert not problem.content
    assert len(box.letters) == 1


def test_a_refused_letter_is_told_from_a_server_in_trouble():
    """554 to the letter means its words, 452 means later."""
    with Mailbox() as box:
        box.refuses = "554 5.7.1 looks like spam"
        spam = refusal(box.port)
        box.refuses = "452 4.3.1 disk full"
        full = refusal(box.port)
    assert (spam.content, full.content) == (True, False)
    assert "554 5.7.1 looks like spam" in str(spam)


def test_nobody_there():
    """No server is a certain no, told with its address."""
    problem = refusal(port := free_port())
    assert f"localhost:{port}" in str(problem)
    assert problem.certain


def lines(connection):
    """Yield the lines that a client sends."""
    with connection.makefile("rb") as heard:
        yield from heard


def quickly(port, **changes):
    """Send with two seconds' patience and return why not, and how long that took."""
    begun = time.monotonic()
    problem = refusal(port, timeout_s=2.0, **changes)
    return problem, time.monotonic() - begun


def hangs(connection, over):
    """Say nothing."""
    over.wait(30)


def talks(connection, over):
    """Greet without end, as fast as it goes."""
    while not over.is_set():
        connection.sendall(b"220-and another thing\r\n" * 100)


def one_long_line(connection, over):
    """Greet in one line without end."""
    while not over.is_set():
        connection.sendall(b"x" * 4096)


def dribbles(connection, over):
    """Send a byte now and then, so that no single wait is long."""
    for byte in b"220 " + b"x" * 10_000:
        if over.wait(0.1):
            return
        connection.sendall(bytes([byte]))


def greets_and_hangs(connection, over):
    """Greet, take the letter, and never say whether it was taken."""
    connection.sendall(b"220 hello\r\n")
    answers = {
        b"EHLO": b"250 fine\r\n",
        b"MAIL": b"250 fine\r\n",
        b"RCPT": b"250 fine\r\n",
        b"DATA": b"354 go\r\n",
    }
    for line in lines(connection):
        if (answer := answers.get(line[:4].upper())) is not None:
            connection.sendall(answer)
    over.wait(30)


@pytest.mark.parametrize("behave", [hangs, talks, one_long_line, dribbles, greets_and_hangs])
def test_a_hostile_server_is_left_in_time(behave):
    """Whatever a server does, the sending ends after `timeout`, and says so."""
    with badly(behave) as port:
        problem, took_s = quickly(port)
    assert took_s < 8
    assert "localhost" in str(problem)


def test_a_server_that_reads_nothing_is_left_in_time():
    """A TLS handshake that is never answered ends, too."""
    with badly(hangs) as port:
        _, took_s = quickly(port, security="tls")
    assert took_s < 8


def test_a_lost_answer_is_no_certain_no():
    """After the letter went out, silence means that it may have been taken."""
    with badly(greets_and_hangs) as port:
        problem, _ = quickly(port)
    assert not problem.certain


def test_a_server_that_repeats_the_password():
    """What is secret is blotted out of what a server says, in each form in which it was sent."""

    def parrot(connection: socket.socket, _over: object) -> None:
        connection.sendall(b"220 hello\r\n")
        for line in lines(connection):
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                connection.sendall(b"250-hello\r\n250 AUTH PLAIN\r\n")
                continue
            plain = b" ".join(base64.b64decode(part) for part in line.split()[2:]).replace(b"\0", b" ")
            connection.sendall(b"535 no: " + line.strip()[:300] + b" " + plain + b"\r\n")

    with badly(parrot) as port:
        problem = refusal(port, username=USER, password=WrittenSecret(PASSWORD))
    said = str(problem)
    assert "refuses the log-in: 535" in said
    assert PASSWORD not in said
    for form in (PASSWORD.encode(), f"\0{USER}\0{PASSWORD}".encode()):
        assert base64.b64encode(form).decode() not in said
    assert said.isprintable()


def test_a_password_that_smtp_cannot_carry():
    """It is not quoted."""
    with Mailbox(auth=True) as box:
        problem = refusal(
            box.port, username=USER, password=WrittenSecret("pässw0rd-söcret"), allow_insecure=True
        )
    assert "söcret" not in str(problem)
    assert "ä" not in str(problem)
