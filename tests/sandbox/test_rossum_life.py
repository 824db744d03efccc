"""What happens at Rossum after the import: statuses, content, hooks, several files, expiry."""

import pytest
from rossum_api import SyncRossumAPIClient
from rossum_api.dtos import UserCredentials

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
CREDENTIALS = UserCredentials("scanner@sandbox.example", "sandbox-password")


@pytest.fixture
def several(rossum):
    """Upload several documents in one request and return the upload object."""

    def send(server, *names):
        files = [("content", (name, PDF + name.encode())) for name in names]
        task = rossum(server, "POST", "uploads?queue=8236", files=files).json()["url"].rpartition("/")[2]
        rossum(server, "GET", f"tasks/{task}")
        entry = server.ledger.entries[-1]
        return rossum(server, "GET", f"uploads/{entry.ids['upload']}").json()

    return send


@pytest.fixture
def status(rossum):
    """Tell an annotation's status."""

    def look(server, number=104322):
        return rossum(server, "GET", f"annotations/{number}").json()["status"]

    return look


def test_statuses_move_on_by_themselves(start, upload, status):
    """Each look at an annotation after its import sees the next status, and the last one stays."""
    server = start(rossum_statuses=("to_review", "reviewing", "gone_fishing"))
    upload(server)
    seen = [status(server) for _ in range(5)]
    assert seen == ["importing", "to_review", "reviewing", "gone_fishing", "gone_fishing"]


def test_an_order_gives_any_status(sandbox, upload, rossum, order, status):
    """A tester decides for the people at the service; unknown words are taken too."""
    upload(sandbox)
    upload(sandbox, "b.pdf")
    assert order(sandbox, "annotations", id=104322, status="rejected").json() == {"changed": [104322]}
    assert (status(sandbox), status(sandbox, 104323)) == ("rejected", "importing")
    note = [{"type": "error", "content": "no invoice"}]
    assert order(sandbox, "annotations", status="gone_fishing", messages=note).json()["changed"] == [
        104322,
        104323,
    ]
    shown = rossum(sandbox, "GET", "annotations/104322").json()
    assert (shown["status"], shown["messages"]) == ("gone_fishing", note)


@pytest.mark.parametrize(("status_word", "moment"), [("confirmed", "confirmed_at"), ("purged", "purged_at")])
def test_a_status_has_its_moment(sandbox, upload, rossum, order, status_word, moment):
    """Where the service has a field for the moment of a status, it is set."""
    upload(sandbox)
    assert rossum(sandbox, "GET", "annotations/104322").json()[moment] is None
    order(sandbox, "annotations", status=status_word)
    assert rossum(sandbox, "GET", "annotations/104322").json()[moment]


@pytest.mark.parametrize(
    ("what", "wanted", "answer"),
    [
        ("annotations", {"id": 5, "status": "rejected"}, 404),
        ("annotations", {"id": 5}, 400),
        ("annotations", {"statsu": "rejected"}, 400),
        ("documents", {"id": "5", "status": "exported"}, 404),
        ("documents", {"status": "exported"}, 400),
    ],
)
def test_impossible_orders_are_refused(sandbox, order, what, wanted, answer):
    """An order about nothing, or with unknown words, is told apart from one that was carried out."""
    assert order(sandbox, what, **wanted).status_code == answer


def test_content_is_what_the_client_expects(start, rossum, upload):
    """The official client reads an annotation together with its content; what was sent stands in it."""
    server = start(rossum_annotation_polls=0, rossum_datapoints=3)
    upload(server, data={"values": '{"upload:unit": "north"}'})
    client = SyncRossumAPIClient(server.rossum_url, CREDENTIALS)
    try:
        (section,) = client.retrieve_annotation(104322, sideloads=["content"]).content
    finally:
        client.internal_client.client.close()
    points = section["children"]
    assert [(p["schema_id"], p["content"]["value"]) for p in points][:2] == [
        ("unit", "north"),
        ("field_0", "value 0"),
    ]
    assert len(points) == 4
    assert rossum(server, "GET", "annotations/1/content").status_code == 404


def test_content_can_be_large(start, rossum, upload):
    """More than a mebibyte of values, for whoever keeps answers in memory."""
    server = start(rossum_datapoints=6000)
    upload(server)
    assert len(rossum(server, "GET", "annotations/104322/content").content) > 1 << 20


def test_a_hook_adds_documents(start, rossum, several):
    """What a hook added stands apart, has annotations without our metadata, and is counted nowhere else."""
    server = start(rossum_hook_documents=2)
    shown = several(server, "a.pdf")
    assert (len(shown["documents"]), len(shown["additional_documents"]), len(shown["annotations"])) == (
        1,
        2,
        3,
    )
    added = shown["additional_documents"][0].rpartition("/")[2]
    document = rossum(server, "GET", f"documents/{added}").json()
    annotation = document["annotations"][0].rpartition("/")[2]
    assert document["original_file_name"] == "added by a hook 1.pdf"
    assert rossum(server, "GET", f"annotations/{annotation}").json()["metadata"] == {}
    assert len(server.ledger) == 1


def test_each_file_of_a_request_has_its_own_fate(start, rossum, several):
    """One file of three is damaged: its import fails, those of the others do not."""
    rules = [
        {"match": {"file": "bad*"}, "do": {"failed_import": True}},
        {"match": {"file": "odd*"}, "do": {"no_annotation": True}},
    ]
    server = start(rules, rossum_annotation_polls=0)
    shown = several(server, "a.pdf", "bad.pdf", "odd.pdf", "z.pdf")
    assert (len(shown["documents"]), len(shown["annotations"])) == (4, 3)
    found = rossum(server, "GET", "annotations").json()["results"]
    assert [one["status"] for one in found] == ["to_review", "failed_import", "to_review"]


def test_one_bad_file_can_fail_the_task_of_all(start, rossum, several):
    """A task is one for the request: where it fails, no file has an annotation."""
    server = start([{"match": {"file": "b*"}, "do": {"failed_task": True}}], rossum_task_polls=0)
    assert several(server, "a.pdf", "b.pdf", "c.pdf")["annotations"] == []
    assert rossum(server, "GET", "tasks/315509?no_redirect=true").json()["status"] == "failed"


def test_documents_can_be_in_another_order(start, rossum, several):
    """The order of an upload's documents is not documented; names tell which file is which."""
    names = [f"{number}.pdf" for number in range(8)]
    server = start(rossum_shuffle=True)
    shown = several(server, *names)["documents"]
    found = [
        rossum(server, "GET", "documents/" + url.rpartition("/")[2]).json()["original_file_name"]
        for url in shown
    ]
    assert found != names
    assert sorted(found) == names


def test_expired_uploads_are_404(sandbox, rossum, several, order):
    """An upload can be forgotten while its documents and annotations are still there."""
    shown = several(sandbox, "a.pdf")
    assert order(sandbox, "expire", uploads=True).json() == {"expired": ["uploads"]}
    assert rossum(sandbox, "GET", "uploads/314528").status_code == 404
    assert rossum(sandbox, "GET", "documents/" + shown["documents"][0].rpartition("/")[2]).status_code == 200
    assert rossum(sandbox, "GET", "tasks/315509?no_redirect=true").json()["status"] == "succeeded"


def test_what_may_be_null_can_be_null(start, rossum, several):
    """The documentation allows null where the official client does not: such answers can be had."""
    rules = [{"match": {"file": "*"}, "do": {"no_annotation": True}}]
    server = start(rules, rossum_nulls=True, rossum_task_polls=0)
    shown = several(server, "a.pdf")
    nulls = {name for name, value in shown.items() if value is None}
    assert nulls == {"email", "creator", "additional_documents", "annotations"}
    task = rossum(server, "GET", "tasks/315509?no_redirect=true").json()
    assert (task["content"], task["result_url"]) == (None, f"{server.rossum_url}/uploads/314528")


def test_name_in_the_path_is_ignored_for_forms(sandbox, rossum):
    """In a form the file's name is the part's; a name in the path counts for a bare body alone."""
    path = "uploads/from-the-path.pdf?queue=8236"
    assert rossum(sandbox, "POST", path, files={"content": ("from-the-form.pdf", PDF)}).status_code == 202
    assert sandbox.ledger.entries[0].file_name == "from-the-form.pdf"
