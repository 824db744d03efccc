"""The admin end points over HTTP."""

import hashlib

import pytest

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"


def test_ledger_lists_and_forgets(sandbox, http, upload):
    """What was taken can be read as JSON and forgotten; numbers go on."""
    upload(sandbox, "a.pdf")
    (entry,) = http.get(sandbox.origin + "/admin/ledger").json()
    assert entry["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert (entry["service"], entry["queue"], entry["number"], entry["file_name"]) == (
        "rossum",
        "8236",
        1,
        "a.pdf",
    )
    assert http.delete(sandbox.origin + "/admin/ledger").status_code == 204
    assert http.get(sandbox.origin + "/admin/ledger").json() == []
    upload(sandbox)
    assert http.get(sandbox.origin + "/admin/ledger").json()[0]["number"] == 2


def test_requests_are_counted_without_secrets(sandbox, http, upload):
    """Method, path, query and status of every request are there, credentials are not."""
    upload(sandbox)
    http.post(sandbox.rossum_url + "/auth/login", json={"username": "u", "password": "hush-hush"})
    answer = http.get(sandbox.origin + "/admin/requests")
    counts, recent = answer.json()["counts"], answer.json()["recent"]
    assert counts == {"POST /rossum": 2, "GET /admin": 1}
    assert [(line["method"], line["status"]) for line in recent] == [
        ("POST", 202),
        ("POST", 401),
        ("GET", None),
    ]
    assert (recent[0]["path"], recent[0]["query"]) == ("/rossum/api/v1/uploads", "queue=8236")
    assert "hush-hush" not in answer.text
    assert "sandbox-rossum-token" not in answer.text


def test_scenario_is_replaced_and_shown(sandbox, http, upload):
    """A scenario takes effect with the next request, and an empty one ends it."""
    address = sandbox.origin + "/admin/scenario"
    assert http.post(address, json=[{"match": {"path": "*/uploads"}, "do": {"status": 503}}]).json() == {
        "rules": 1
    }
    assert upload(sandbox).status_code == 503
    assert http.get(address).json()["rules"][0]["do"]["status"] == 503
    http.post(address, json=[])
    assert upload(sandbox).status_code == 202


def test_shown_scenario_can_be_posted_again(sandbox, http):
    """What GET shows, POST understands."""
    address = sandbox.origin + "/admin/scenario"
    rules = [
        {"match": {"service": "rossum", "file": "x*", "first": 2}, "do": {"reset": "mid_body"}},
        {"do": {"rate_limit": 3}},
        {"do": {"failed_import": True}},
        {"do": {"status": 500, "at": "after_commit", "headers": {"A": "b"}}},
    ]
    assert http.post(address, json=rules).status_code == 200
    shown = http.get(address).json()
    assert http.post(address, json=shown).status_code == 200
    assert http.get(address).json() == shown


@pytest.mark.parametrize("body", [b'[{"do": {"statsu": 1}}]', b"{", b'"x"'])
def test_bad_scenario_leaves_the_old_one(sandbox, http, upload, body):
    """A scenario that is not understood is refused with a reason."""
    address = sandbox.origin + "/admin/scenario"
    http.post(address, json=[{"do": {"status": 503}}])
    answer = http.post(address, content=body)
    assert answer.status_code == 400
    assert "the old one stays" in answer.json()["detail"]
    assert upload(sandbox).status_code == 503


def test_options_come_with_a_scenario(sandbox, http, digitoo):
    """A scenario may carry other options."""
    http.post(sandbox.origin + "/admin/scenario", json={"options": {"digitoo_queues": ["q8"]}})
    assert digitoo(sandbox, "GET", "queues/q7").status_code == 404
    assert digitoo(sandbox, "GET", "queues/q8").status_code == 200


def test_passwords_change_and_come_back(sandbox, http, docdigitizer):
    """Other credentials shut a client out, tokens included, until the usual ones are back."""
    login = {"email": "scanner@sandbox.example", "password": "sandbox-password"}
    address = sandbox.digitoo_url + "/api/v2/auth/login"
    token = http.post(address, json=login).json()["data"]["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    changed = {"digitoo_password": "new", "docdigitizer_api_key": "new"}
    assert http.post(sandbox.origin + "/admin/passwords", json=changed).status_code == 200
    assert http.get(sandbox.digitoo_url + "/api/v2/queues/q7", headers=bearer).status_code == 401
    assert http.post(address, json=login).status_code == 401
    assert http.post(address, json=login | {"password": "new"}).status_code == 200
    assert docdigitizer(sandbox, "GET", "documents").status_code == 401
    http.post(sandbox.origin + "/admin/passwords", json={})
    assert http.post(address, json=login).status_code == 200
    assert docdigitizer(sandbox, "GET", "documents").status_code == 200


@pytest.mark.parametrize("path", ["passwords", "expire"])
@pytest.mark.parametrize("body", [b'{"nonsense": "x"}', b"[1]", b"{"])
def test_unknown_wishes_are_refused(sandbox, http, path, body):
    """What is not understood is 400 with the names that are."""
    assert http.post(f"{sandbox.origin}/admin/{path}", content=body).status_code == 400


def test_admin_knows_no_faults(start, http):
    """A scenario that strikes everything does not lock its author out."""
    server = start([{"do": {"reset": "before_body"}}])
    assert http.get(server.origin + "/admin/scenario").status_code == 200
    assert http.get(server.origin + "/admin/nothing").status_code == 404
