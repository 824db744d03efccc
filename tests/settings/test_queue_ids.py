import pytest

from hotfolder.service.turns import turns


def test_the_longest_path_that_fits_counts(load_queue):
    """A subfolder's id holds for all below it that has none of its own, and for nothing beside it."""
    queue = load_queue("recursive: true\nqueue_ids: {paid: 8237, paid/old: 012, 'ž': q9}")
    found = [queue.id_of_folder(f) for f in (b"paid", b"paid/new", b"paid/old/x", b"paidx", b"", b"x/paid")]
    assert found == ["8237", "8237", "012", None, None, None]
    assert queue.id_of_folder("ž".encode()) == "q9"


@pytest.mark.parametrize("path", ["/paid", "paid/", "a//b", "../x", "./x"])
def test_a_path_that_is_none_below_the_drop_folder(queue_complaints, path):
    """What would never fit is a mistake."""
    (line,) = queue_complaints(f"recursive: true\nqueue_ids: {{{path}: 7}}")
    assert "expected a path below the drop folder" in line


def test_subfolders_must_be_looked_into(queue_complaints):
    """Without `recursive` the key would do nothing."""
    assert queue_complaints("queue_ids: {paid: 7}") == [
        "9:5: queues.q.queue_ids: needs `recursive: true`: without it no subfolder is looked into"
    ]


def test_something_must_be_able_to_name_an_id(load, complaints, head):
    """The queue's id may be left out where companions or subfolders can name one."""
    for keys in ("companion: '{stem}.json'", "recursive: true, queue_ids: {a: 7}"):
        assert load(f"{head}  q: {{connection: acme, {keys}}}\n").queues["q"].queue_id is None
    (line,) = complaints(f"{head}  q: {{connection: acme}}\n")
    assert "queue_id: is missing" in line


def test_all_ids_that_are_in_reach(load, head):
    """What `check --online` asks the service for: each id once, the override alone where there is one."""
    text = f"{head}  q: {{connection: acme, queue_id: 7, recursive: true, queue_ids: {{a: 8, b: 7}}}}\n"
    plain, over = load(text), load(text.replace("token: ", "queue_id_override: 5, token: "))
    assert plain.service_ids(plain.queues["q"]) == ("7", "8")
    assert over.service_ids(over.queues["q"]) == ("5",)


@pytest.mark.parametrize(
    ("keys", "ids", "at_once"),
    [
        ("backend: digitoo, token: t", (7, 8), 1),
        ("backend: digitoo, token: t", (7, 7), 4),
        ("backend: digitoo, token: t, queue_id_override: 9", (7, 8), 4),
        ("backend: digitoo, token: t, limits: {concurrency: 3}", (7, 8), 3),
        ("backend: rossum, base_url: 'https://acme.rossum.app/api/v1', token: t", (7, 8), 4),
    ],
)
def test_one_document_at_a_time_where_a_service_wants_it(load, keys, ids, at_once):
    """Several queues of Digitoo without override are served in turn, unless the connection says otherwise."""
    queues = "".join(f"  q{n}: {{connection: one, queue_id: {queue_id}}}\n" for n, queue_id in enumerate(ids))
    settings = load(f"root: /srv\nconnections:\n  one: {{{keys}}}\nqueues:\n{queues}")
    limits, why = turns(settings, settings.connections["one"])
    assert (limits.concurrency, why is not None) == (at_once, at_once == 1)
