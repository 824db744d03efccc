"""Odd log-ins and the life of tokens; the ordinary ones are in test_rossum."""

import pytest

LOGIN = {"username": "scanner@sandbox.example", "password": "sandbox-password"}


def _log_in(http, server, **extra):
    return http.post(server.rossum_url + "/auth/login", json=LOGIN | extra)


def _status(http, server, token):
    headers = {"Authorization": f"Bearer {token}"}
    return http.get(server.rossum_url + "/auth/user", headers=headers).status_code


def test_lifetime_can_only_be_shortened(start, http):
    """A token may be asked to live shorter than usual, never longer."""
    server = start(rossum_token_lifetime_s=0)
    assert _status(http, server, _log_in(http, server, max_token_lifetime_s=600).json()["key"]) == 401
    server = start()
    assert _status(http, server, _log_in(http, server, max_token_lifetime_s=1e-9).json()["key"]) == 401
    assert _status(http, server, _log_in(http, server, max_token_lifetime_s=600).json()["key"]) == 200


def test_odd_lifetime_is_400(sandbox, http):
    """What is no number is refused by name."""
    answer = _log_in(http, sandbox, max_token_lifetime_s="long")
    assert (answer.status_code, list(answer.json())) == (400, ["max_token_lifetime_s"])


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"{", 400, "parse_error"), (b"[]", 400, "bad_request"), (b" " * 70_000, 413, "payload_too_large")],
)
def test_bad_bodies(sandbox, http, content, status, code):
    """A log-in that is no JSON object, or endless, is refused."""
    headers = {"Content-Type": "application/json"}
    answer = http.post(sandbox.rossum_url + "/auth/login", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_every_login_has_its_own_token(sandbox, http):
    """A second log-in does not end the first; expiry ends both, but not a minted token."""
    first, second = (_log_in(http, sandbox).json()["key"] for _ in range(2))
    assert first != second
    assert [_status(http, sandbox, token) for token in (first, second)] == [200, 200]
    http.post(sandbox.origin + "/admin/expire", json={"tokens": True})
    assert [_status(http, sandbox, token) for token in (first, second, "sandbox-rossum-token")] == [
        401,
        401,
        200,
    ]
