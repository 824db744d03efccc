"""What happens at DocDigitizer after the upload: statuses, reviews, assets, tasks, broken cursors."""

from datetime import UTC, datetime

import pytest

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
FILE = {"files": ("scan.pdf", PDF, "application/pdf")}


@pytest.fixture
def sent(docdigitizer):
    """Upload a document and return its ids."""

    def send(server, path="documents/annotate"):
        docdigitizer(server, "POST", path, files=FILE)
        return server.ledger.entries[-1].ids

    return send


@pytest.fixture
def read(docdigitizer):
    """Read one node of a document."""

    def get(server, path, node):
        return docdigitizer(server, "GET", path).json()[node]

    return get


def test_statuses_move_on_by_looks(start, sent, read):
    """Each look at a document sees the next status, and its annotations are there once it is annotated."""
    server = start(docdigitizer_statuses=("pending", "success", "reviewed"))
    path = f"documents/{sent(server)['document']}"
    shown = [read(server, path, "document") for _ in range(4)]
    assert [one["annotation_status"] for one in shown] == ["pending", "success", "reviewed", "reviewed"]
    assert [bool(one["annotations"]["data"]) for one in shown] == [False, True, True, True]


def test_statuses_move_on_by_time(start, sent, read):
    """With an interval nobody needs to look."""
    server = start(docdigitizer_statuses=("pending", "success"), docdigitizer_status_every_s=0.01)
    path = f"documents/{sent(server)['document']}/annotations"
    while not read(server, path, "annotations")["data"]:
        pass


@pytest.mark.parametrize("status", ["Invalid", "gone_fishing"])
def test_an_order_gives_any_status(sandbox, sent, read, order, status):
    """A tester decides for the curators."""
    number = sent(sandbox)["document"]
    assert order(sandbox, "documents", id=number, status=status).json() == {"changed": [number]}
    shown = read(sandbox, f"documents/{number}", "document")
    assert (shown["annotation_status"], shown["annotations"]["data"]) == (status, {})


def test_reviews_are_there_once_reviewed(sandbox, sent, read, order):
    """A document that curators saw has reviews; any other has none."""
    number = sent(sandbox)["document"]
    assert read(sandbox, f"documents/{number}/reviews", "reviews")["data"] == []
    order(sandbox, "documents", id=number, status="reviewed")
    assert len(read(sandbox, f"documents/{number}/reviews", "reviews")["data"]) == 1


def test_every_link_leads_somewhere(sandbox, sent, docdigitizer):
    """All five links of a document, and both of a task, answer."""
    ids = sent(sandbox)
    document = docdigitizer(sandbox, "GET", f"documents/{ids['document']}").json()["document"]
    task = docdigitizer(sandbox, "GET", f"tasks/{ids['task']}").json()["task"]
    links = [*document["links"].values(), *task["links"].values()]
    assert len(links) == 7
    for link in links:
        assert docdigitizer(sandbox, "GET", link.removeprefix("/api/v1/")).status_code == 200


def test_assets_name_the_original(sandbox, sent, read):
    """The original is the one asset."""
    (asset,) = read(sandbox, f"documents/{sent(sandbox)['document']}/assets", "assets")["data"]
    assert (asset["name"], asset["media_type"]) == ("scan.pdf", "application/pdf")


def test_tasks_are_listed(sandbox, sent, docdigitizer, read):
    """The tasks are a collection with pages, like the documents; listing them is no look at them."""
    numbers = [sent(sandbox)["task"] for _ in range(3)]
    first = docdigitizer(sandbox, "GET", "tasks?maxRetrieve=2")
    cursor = first.headers["x-cursor-id"]
    rest = read(sandbox, f"tasks?maxRetrieve=2&cursorId={cursor}", "tasks")
    shown = [*first.json()["tasks"], *rest]
    assert [task["id"] for task in shown] == numbers
    assert {task["status"] for task in shown} == {"PENDING"}
    assert docdigitizer(sandbox, "GET", "tasks", headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("pages", [1, 2])
def test_cursors_break(start, sent, docdigitizer, pages):
    """After so many pages the cursor is broken, said so, and the list begins again."""
    server = start(docdigitizer_cursor_breaks_after=pages)
    numbers = [sent(server)["document"] for _ in range(6)]
    seen, cursor = [], ""
    for _ in range(pages + 1):
        answer = docdigitizer(server, "GET", f"documents?maxRetrieve=2{cursor}")
        cursor = f"&cursorId={answer.headers['x-cursor-id']}"
        ids = [one["id"] for one in answer.json()["documents"]]
        seen.append((answer.headers["x-cursor-was-broken"], numbers.index(ids[0])))
    assert seen == [*(("false", 2 * page) for page in range(pages)), ("true", 0)]


@pytest.mark.parametrize(("seconds", "passed"), [(3600.0, False), (-3600.0, True)])
def test_the_promised_moment_can_be_over(start, sent, read, seconds, passed):
    """The SLA moment lies as far from the upload as the option says, in the past if need be."""
    server = start(docdigitizer_sla_s=seconds)
    moment = datetime.fromisoformat(read(server, f"tasks/{sent(server)['task']}", "task")["sla_moment"])
    assert (moment.replace(tzinfo=UTC) < datetime.now(UTC)) is passed


@pytest.mark.parametrize(("status", "detail"), [(201, "Created"), (202, "Accepted")])
def test_both_good_answers(start, docdigitizer, status, detail):
    """The specification's table has two good answers to an upload."""
    answer = docdigitizer(start(docdigitizer_accepted=status), "POST", "documents/annotate", files=FILE)
    assert (answer.status_code, answer.json()["status"], answer.json()["detail"]) == (status, status, detail)


def test_plain_submission_is_taken(sandbox, sent):
    """A document can be sent to the collection itself."""
    assert sent(sandbox, "documents")["document"]
