import pytest

LISTEN = "http: {listen: 127.0.0.1:8642}\n"


@pytest.fixture
def mistakes(complaints, head):
    """Return the problems of a connection with this `webhook`, on line 3."""
    return lambda webhook, rest=LISTEN: complaints(
        head.replace("t0ken-of-acme}", f"t0ken-of-acme, webhook: {webhook}}}")
        + "  q: {connection: acme, queue_id: 1}\n"
        + rest
    )


@pytest.mark.parametrize(
    "webhook, says",  # noqa: PT006
    [
        ("{}", "needs `secret` or `signature`, or anybody could call"),
        (
            "{header: X-Proof, signature: {header: X, secret: s}}",
            "`header` says where `secret` is; give that too",
        ),
        ("{secret: s, header: 'X Proof'}", "expected a header's name"),
        ("{secret: ''}", "the secret is empty"),
        ("{signature: {header: X}}", "webhook.signature.secret: is missing"),
        ("{signature: {header: X, secret: s, algorithm: md5}}", "expected one of sha256, sha1, sha512"),
        ("{signature: {header: X, secret: s, encoding: base32}}", "expected one of hex, base64"),
        ("{secret: s, status_paths: []}", "webhook.status_paths"),
        ("{secret: s, max_body: much}", "expected a size"),
        ("{secret: s, paths: []}", "webhook.paths"),
    ],
)
def test_mistakes(mistakes, webhook, says):
    """Each is told once, at its key."""
    [line] = mistakes(webhook)
    assert "connections.acme.webhook" in line
    assert says in line


def test_somebody_must_listen(mistakes):
    """A webhook that nobody can reach is a mistake."""
    [line] = mistakes("{secret: s3cret}", "")
    assert "connections.acme.webhook: nobody listens for it" in line
    assert "s3cret" not in line


def test_what_is_left_out(load, head):
    """Without a word about it nobody may call; with a secret alone the rest has its defaults."""
    queue = "  q: {connection: acme, queue_id: 1}\n"
    assert load(head + queue).connections["acme"].webhook is None
    text = head.replace("t0ken-of-acme}", "t0ken-of-acme, webhook: {secret: s3cret}}") + queue + LISTEN
    settings = load(text)
    webhook = settings.connections["acme"].webhook
    assert webhook.secret.reveal() == "s3cret"
    assert (webhook.header, webhook.signature, webhook.max_body_bytes) == (None, None, 65536)
    assert webhook.document_id_paths[:2] == ("document_id", "id")
    assert "extraction-rejected" in webhook.rejections
    assert settings.http.listen == "127.0.0.1:8642"
    assert "s3cret" not in repr(settings) + str(settings.model_dump())


def test_a_secret_in_the_address_needs_one(complaints, load, head):
    """`{secret}` in `webhook_url` stands for the connection's."""
    url = "webhook_url: 'https://hooks.acme.example/webhooks/acme/{secret}'"
    queue = f"  q: {{connection: acme, queue_id: 1, {url}}}\n"
    [line] = complaints(head + queue)
    assert "queues.q.webhook_url: {secret} stands for `webhook.secret` of connection `acme`" in line
    text = head.replace("t0ken-of-acme}", "t0ken-of-acme, webhook: {secret: s3cret}}") + queue + LISTEN
    assert load(text).queues["q"].webhook_url.endswith("/{secret}")
    [line] = complaints(text.replace("secret: s3cret", "secret: s3cret, header: X-Proof"))
    assert "is asked for in the header X-Proof, and nowhere else" in line
