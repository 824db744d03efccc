"""Who may see figures and states."""

import pytest

from hotfolder.web.access import (
    FOREIGN_NAME,
    NO_CERTIFICATE,
    NO_TOKEN,
    PROXIED,
    Gatekeeper,
    Shown,
    denied,
)

TOKEN = "a-long-token-of-ž"


def shown(*, certified: bool = False, **headers: str) -> Shown:
    """Return a request with headers, their names written with _ for -."""
    return Shown({name.replace("_", "-"): value for name, value in headers.items()}, certified)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8642", "127.0.0.1:8642", "127.9.9.9", "[::1]:8642", "[::1]", "a.localhost"],
)
def test_whoever_is_on_this_machine_needs_nothing(host: str) -> None:
    """Where nothing is set, a request under a name that only this machine can have is let in, and one without name."""
    assert denied(Gatekeeper(), shown(host=host)) is None
    assert denied(Gatekeeper(), shown()) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8642",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[2001:db8::1]",
        "",
    ],
)
def test_a_page_that_gives_its_own_name_to_this_machine_reads_nothing(host: str) -> None:
    """A browser that was led here sends the page's name as host."""
    assert denied(Gatekeeper(), shown(host=host)) is FOREIGN_NAME


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for", "x_real_ip", "via"])
def test_nobody_is_let_in_through_a_proxy_without_a_token(header: str) -> None:
    """A proxy that was meant for webhooks opens nothing else."""
    assert denied(Gatekeeper(), shown(host="127.0.0.1", **{header: "203.0.113.7"})) is PROXIED
    good = shown(host="hooks.acme.example", authorization=f"Bearer {TOKEN}", **{header: "203.0.113.7"})
    assert denied(Gatekeeper(TOKEN), good) is None


@pytest.mark.parametrize(
    ("header", "let_in"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        ("Bearer ", False),
        ("Bearer", False),
        (TOKEN, False),
        ("Bearer \udcff", False),
        ("", False),
    ],
)
def test_a_token_must_be_shown_as_it_is(header: str, let_in) -> None:
    """The whole token under its scheme, whatever the host; nothing else."""
    found = denied(Gatekeeper(TOKEN), shown(authorization=header, host="anything.example"))
    assert found is (None if let_in else NO_TOKEN)


def test_everything_that_is_set_must_be_shown() -> None:
    """Certificate and token, where both are asked for; a token that cannot be had lets nobody in."""
    both = Gatekeeper(TOKEN, certificate=True)
    bearer = f"Bearer {TOKEN}"
    assert denied(both, shown(authorization=bearer)) is NO_CERTIFICATE
    assert denied(both, shown(certified=True)) is NO_TOKEN
    assert denied(both, shown(certified=True, authorization=bearer)) is None
    assert denied(Gatekeeper(certificate=True), shown(certified=True, host="a.example")) is None
    assert denied(Gatekeeper(nobody=True), shown(host="localhost")) is NO_TOKEN
    assert denied(Gatekeeper(nobody=True, certificate=True), shown(certified=True)) is NO_TOKEN


def test_secrets_are_not_shown() -> None:
    """Neither side's secret is in a text that could reach a log."""
    assert TOKEN not in repr(Gatekeeper(TOKEN))
    assert TOKEN not in repr(shown(authorization=TOKEN))
