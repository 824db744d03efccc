import ssl
import time

import pytest
import trustme

from hotfolder.notices.letters import Letter
from hotfolder.notices.post import Post
from hotfolder.notices.ways import NotSentError
from hotfolder.settings.notify import WebhookTarget
from hotfolder.settings.secrets import WrittenSecret
from tests.notices.receivers import Hook, badly, free_port

LETTER = Letter("n4me", "files1", 1_764_576_000.0, "größte Not", "Text mit 見積書\n", ({"phase": "wrong"},))
TOKEN = "t0ken-of-a-test"


def post(url, timeout_s=10.0, **changes):
    """Make the way to an address."""
    return Post(WebhookTarget(name="ops", url=WrittenSecret(url), timeout_s=timeout_s, **changes))


def refusal(url, **changes):
    """Send to a server and return why it was not sent."""
    with pytest.raises(NotSentError) as caught:
        post(url, **changes).send(LETTER)
    return caught.value


def test_a_message_arrives_as_json():
    """The receiver gets the whole message with the headers that were asked for."""
    with Hook() as hook:
        headers = {"Authorization": WrittenSecret(f"Bearer {TOKEN}"), "user-agent": WrittenSecret("ours")}
        assert post(f"http://127.0.0.1:{hook.port}/a/b?c=d", headers=headers).send(LETTER) is None
    assert hook.told == [LETTER.as_json()]
    assert hook.paths == ["/a/b?c=d"]
    sent = {name.lower(): value for name, value in hook.headers[0].items()}
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert sent["user-agent"] == "ours"
    assert sent["content-type"] == "application/json"


def test_tls_with_an_authority_of_its_own(tmp_path):
    """A certificate is checked: against the company's authority, or the system's."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Hook(context) as hook:
        url = f"https://localhost:{hook.port}/"
        assert post(url, ca_file=tmp_path / "ca.pem").send(LETTER) is None
        assert "is not trusted" in str(refusal(url))
    assert len(hook.told) == 1


def test_no_redirect_is_followed():
    """Headers with secrets go to the address that was given, and nowhere else."""
    with Hook() as elsewhere, Hook() as hook:
        hook.status, hook.location = 307, f"http://127.0.0.1:{elsewhere.port}/"
        problem = refusal(f"http://127.0.0.1:{hook.port}/", headers={"Authorization": WrittenSecret(TOKEN)})
    assert "redirects are not followed" in str(problem)
    assert elsewhere.headers == []


@pytest.mark.parametrize(
    ("status", "certain", "content"),
    [(400, True, True), (404, True, False), (413, True, True), (429, True, False), (503, False, False)],
)
def test_an_answer_says_whether_it_was_taken(status, certain, content):
    """A no is told with its status alone: the body repeats what was sent, and is not read."""
    with Hook() as hook:
        hook.status = status
        problem = refusal(f"http://127.0.0.1:{hook.port}/s3cret-path")
    assert (problem.certain, problem.content) == (certain, content)
    assert str(problem) == f"the receiver at 127.0.0.1 answered {status}"


def test_nobody_there():
    """No receiver is a certain no."""
    problem = refusal(f"http://127.0.0.1:{free_port()}/s3cret-path")
    assert problem.certain
    assert "s3cret" not in str(problem)


@pytest.mark.parametrize("url", ["http://hooks.acme.example/s3cret", "https://u:s3cret@localhost/", "s3cret"])
def test_an_address_that_changed_is_judged_anew(url):
    """The secret is read at each message: one that became insecure is refused then, and not quoted."""
    problem = refusal(url)
    assert "s3cret" not in str(problem)
    assert problem.certain


def hangs(connection, over):
    """Say nothing."""
    over.wait(30)


def dribbles_a_head(connection, over):
    """Send a head without end, a byte now and then."""
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
        if over.wait(0.1):
            return
        connection.sendall(bytes([byte]))


def dribbles_informational(connection, over):
    """Say `wait` again and again."""
    while not over.wait(0.1):
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")


@pytest.mark.parametrize("behave", [hangs, dribbles_a_head, dribbles_informational])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_hostile_receiver_is_left_in_time(behave, scheme):
    """Whatever a receiver does, the sending ends after `timeout`, and it may have been taken."""
    begun = time.monotonic()
    with badly(behave) as port:
        problem = refusal(f"{scheme}://127.0.0.1:{port}/", timeout_s=1.0)
    assert time.monotonic() - begun < 6
    assert not problem.certain or scheme == "https"


def test_a_body_without_end_is_not_waited_for():
    """The status is the whole answer."""

    def pours(connection, over):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b"x" * 65536)

    begun = time.monotonic()
    with badly(pours) as port:
        assert post(f"http://127.0.0.1:{port}/").send(LETTER) is None
        assert time.monotonic() - begun < 6


def test_a_header_that_cannot_be_sent():
    """It is not quoted."""
    with Hook() as hook:
        problem = refusal(
            f"http://127.0.0.1:{hook.port}/", headers={"Authorization": WrittenSecret("s3cret\r\nX: y")}
        )
    assert "s3cret" not in str(problem)
    assert hook.headers == []
