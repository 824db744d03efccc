import pytest

from hotfolder.settings import AppriseTarget, EmailTarget, WebhookTarget
from hotfolder.troubles import Kind

QUEUE = "  q: {connection: acme, queue_id: 1}\n"
MAIL = "via: email, to: it@acme.example, from: hf@acme.example, host: mail.acme.example"


@pytest.fixture
def notify(load, head):
    """Load a configuration with these targets and return its `notify`."""
    return lambda targets, rules="": load(f"{head}{QUEUE}notify:\n  targets:\n{targets}{rules}").notify


@pytest.fixture
def notify_complaints(complaints, head):
    """Return the problems of these targets; the first of them stands on line 9."""
    return lambda targets, rules="": complaints(f"{head}{QUEUE}notify:\n  targets:\n{targets}{rules}")


def test_three_ways(notify):
    """Mail, webhook and Apprise have their own keys, and defaults that need no thought."""
    found = notify(
        f"    m: {{{MAIL}}}\n    w: {{via: webhook, url: 'https://hooks.acme.example/x'}}\n"
        "    a: {via: apprise, url: 'json://localhost', about: [failed], queues: [q]}\n"
    )
    mail, hook, chat = found.targets.values()
    assert [type(target) for target in (mail, hook, chat)] == [EmailTarget, WebhookTarget, AppriseTarget]
    assert (mail.name, mail.to, mail.at_port, mail.about) == ("m", ("it@acme.example",), 587, tuple(Kind))
    assert (chat.about, chat.queues) == ((Kind.FAILED,), ("q",))
    assert (found.group_s, found.at_most, found.quiet_after) == (60.0, 6, None)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465)])
def test_ports_follow_the_protection(notify, security, port):
    """The usual ports need not be known."""
    assert notify(f"    m: {{{MAIL}, security: {security}}}\n").targets["m"].at_port == port
    assert notify(f"    m: {{{MAIL}, security: {security}, port: 2525}}\n").targets["m"].at_port == 2525


@pytest.mark.parametrize(
    ("written", "meant"),
    [("off", None), ("null", None), ("auto", "auto"), ("4h", 14_400.0), ("2d", 172_800.0)],
)
def test_quiet_after(notify, written, meant):
    """It is off, learned, or a duration."""
    assert notify(f"    m: {{{MAIL}}}\n", f"  quiet_after: {written}\n").quiet_after == meant


@pytest.mark.parametrize("written", ["often", "10s", "5", "[4h]"])
def test_quiet_after_is_nothing_else(notify_complaints, written):
    """A mistake is told with what would be right."""
    (problem,) = notify_complaints(f"    m: {{{MAIL}}}\n", f"  quiet_after: {written}\n")
    assert problem.startswith("10:16: notify.quiet_after: ")


def test_letters_need_tls(notify, notify_complaints):
    """Plain SMTP goes to this machine, or where somebody says that he wants it."""
    (problem,) = notify_complaints(f"    m: {{{MAIL}, security: none}}\n")
    assert "letters travel over TLS" in problem
    here = MAIL.replace("mail.acme.example", "localhost")
    assert notify(f"    m: {{{here}, security: none}}\n").targets["m"].at_port == 25
    assert notify(f"    m: {{{MAIL}, security: none, allow_insecure: true}}\n").targets["m"].allow_insecure


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("via: pigeon", "notify.targets.x.via: expected one of email, webhook, apprise"),
        ("about: [failed]", "notify.targets.x.via: is missing: expected one of email, webhook, apprise"),
        (f"{MAIL}, hots: y", "there is no such key here"),
        (f"{MAIL}, about: [faild]", "did you mean `failed`?"),
        (f"{MAIL}, about: []", "is empty"),
        (f"{MAIL}, queues: [p]", "there is no such key under `queues`"),
        (f"{MAIL}, username: me", "`username` and `password` go together"),
        (MAIL.replace("it@acme.example", "'Boss <it@acme.example>'"), "expected a mail address"),
        (MAIL.replace("it@acme.example", '"it@acme.example\\nBcc: x@y.example"'), "expected a mail address"),
        (MAIL.replace("mail.acme.example", "'mail:25'"), "expected a host's name"),
        (f"{MAIL}, port: 70000", "must be at most 65535"),
        ("via: webhook", "notify.targets.x.url: is missing"),
        ("via: webhook, url: 'http://hooks.acme.example/s3cret'", "messages travel over TLS"),
        ("via: webhook, url: 'https://me:s3cret@hooks.acme.example/'", "credentials do not belong"),
        ("via: webhook, url: 's3cret'", "expected an address"),
        ("via: webhook, url: 'https://x.example', headers: {'a b': s3cret}", "expected a header's name"),
        ("via: apprise, url: {file: nowhere}", "cannot be read"),
    ],
)
def test_mistakes_are_told(notify_complaints, keys, said):
    """Each with its place and what was expected, and no secret."""
    problems = notify_complaints(f"    x: {{{keys}}}\n")
    assert any(said in problem for problem in problems), problems
    assert not any("s3cret" in problem for problem in problems)
    assert all(problem.startswith("9:") for problem in problems)


def test_secrets_may_be_missing_for_who_sends_nothing(load, head):
    """`status` works for somebody who cannot read the passwords."""
    text = f"{head}{QUEUE}notify:\n  targets:\n    w: {{via: webhook, url: {{file: nowhere}}}}\n"
    assert "secret" in repr(load(text, look=False).notify.targets["w"].url)


def test_a_target_has_a_name(notify_complaints):
    """It appears in messages and threads, so it is a plain word."""
    (problem,) = notify_complaints(f"    'a b': {{{MAIL}}}\n")
    assert "expected a name of at most 64 letters" in problem
