import pytest


@pytest.fixture
def two(complaints, head):
    """Return the problems of queues `a` (line 6) and `b` (line 7) with these further keys."""
    return lambda a, b, rest="": complaints(
        f"{head}  a: {{connection: doc, {a}}}\n  b: {{connection: doc, {b}}}\n{rest}"
    )


def test_an_unknown_connection_gets_the_nearest_name(complaints, head):
    """The line is the queue's key `connection`."""
    assert complaints(f"{head}  q:\n    queue_id: 1\n    connection: acne\n") == [
        "8:5: queues.q.connection: there is no such key under `connections` (did you mean `acme`?)"
    ]


def test_a_connection_with_mistakes_is_still_known(complaints, head):
    """A queue is not blamed for its connection's own problem."""
    [line] = complaints(
        head.replace("digitoo,", "digitoo, tokn: x,") + "  q: {connection: acme, queue_id: 1}\n"
    )
    assert line.startswith("3:") and "connections.acme.tokn" in line  # noqa: PT018 — one line, two facts


def test_a_queue_needs_the_services_id_where_the_service_has_queues(complaints, load, head):
    """Digitoo and Rossum need it, DocDigitizer does not, and an override stands in for it."""
    assert complaints(f"{head}  q: {{connection: acme}}\n") == [
        "6:3: queues.q.queue_id: is missing: connection `acme` needs the id of the service's own queue"
    ]
    rossum = "  r: {backend: rossum, base_url: https://r.example, token: t}\nqueues:\n"
    assert (
        "queues.q.queue_id: is missing"
        in complaints(head.replace("queues:\n", rossum) + "  q: {connection: r}")[0]
    )
    assert load(f"{head}  q: {{connection: doc}}\n").queues["q"].queue_id is None
    overridden = load(
        head.replace("digitoo,", "digitoo, queue_id_override: 5,") + "  q: {connection: acme}\n"
    )
    assert overridden.service_queue(overridden.queues["q"]) == ("5", "override")


def test_the_override_wins_over_the_queues_id(load, head):
    """Both the id and where it comes from are told."""
    keys = "  q: {connection: acme, queue_id: 7}\n"
    plain, overridden = (
        load(head + keys),
        load(head.replace("digitoo,", "digitoo, queue_id_override: 5,") + keys),
    )
    assert plain.service_queue(plain.queues["q"]) == ("7", "queue")
    assert overridden.service_queue(overridden.queues["q"]) == ("5", "override")


def test_a_queue_needs_a_folder_or_a_root(complaints, head):
    """Without both, the message offers both."""
    text = head.replace("root: /srv/hotfolder\n", "") + "  q: {connection: doc}\n"
    assert complaints(text) == [
        "5:3: queues.q.folder: is missing: give the queue a folder, or set `root` at the top of the file"
    ]


def test_a_bad_root_is_told_once(complaints, head):
    """The queues that live below it are not blamed."""
    [line] = complaints(head.replace("/srv/hotfolder", "~/hotfolder") + "  q: {connection: doc}\n")
    assert line == "1:7: root: write the whole path: ~ is not expanded"


@pytest.mark.parametrize("folder", ["/srv/x", "/srv/x/", "/srv/x/y/z", "/srv/y/../x"])
def test_a_drop_folder_is_not_inside_another(two, folder):
    """Equal, nested, by another spelling: one problem, at the key `folder`."""
    [line] = two("folder: /srv/x", f"queue_id: 1, folder: {folder}")
    assert line.startswith(
        "7:37: queues.b.folder: is or lies in the drop folder of queue `a`; each queue needs"
    )


def test_folders_with_a_common_beginning_are_apart(load, head):
    """/srv/x and /srv/xy are neighbours."""
    text = f"{head}  a: {{connection: doc, folder: /srv/x}}\n  b: {{connection: doc, folder: /srv/xy}}\n"
    assert len(load(text).queues) == 2


def test_a_link_to_a_drop_folder_is_that_folder(two, tmp_path):
    """Two names of one folder are seen through."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    [line] = two(f"folder: {tmp_path}/real", f"folder: {tmp_path}/link")
    assert "queues.b.folder: is or lies in the drop folder of queue `a`" in line


@pytest.mark.parametrize("key", ["done", "failed"])
@pytest.mark.parametrize(
    ("archive", "message"),
    [
        ("/srv/b", "is the drop folder itself"),
        ("/srv/b/.hotfolder", "lies in .hotfolder"),
        ("/srv/b/.hotfolder/x", "lies in .hotfolder"),
        ("/srv/a", "lies in the drop folder of queue `a`"),
        ("/srv/a/done", "lies in the drop folder of queue `a`"),
    ],
)
def test_an_archive_is_where_nothing_is_picked_up(two, key, archive, message):
    """Done and failed lie in no place that is watched or worked in."""
    [line] = two("folder: /srv/a", f"folder: /srv/b, {key}: {archive}")
    assert line.startswith("7:40: ")
    assert f"queues.b.{key}: {message}" in line


def test_done_and_failed_are_two_folders(two):
    """One folder for both would hide which is which."""
    assert two("folder: /a", "folder: /b, done: /c, failed: /c") == [
        "7:46: queues.b.failed: is the same folder as `done`; choose another one"
    ]


def test_queues_may_share_an_archive(load, head):
    """Names never clash in an archive, so one for all queues is fine."""
    queues = "  a: {connection: doc, done: /d, failed: /f}\n  b: {connection: doc, done: /d, failed: /f}\n"
    assert len(load(head + queues).queues) == 2


def test_the_journal_is_in_no_drop_folder(two, complaints, head):
    """Its files would be taken for documents; a default is pointed out at the top of the file."""
    assert two("folder: /a", "folder: /b", "state_dir: /b/state\n") == [
        "8:1: state_dir: lies in the drop folder of queue `b`; choose another folder"
    ]
    text = f"{head}  a: {{connection: doc, folder: /a}}\n"
    assert complaints(text, {"STATE_DIRECTORY": "/a/x"})[0].startswith(
        "1:1: state_dir: lies in the drop folder"
    )


@pytest.mark.parametrize("name", ["-a", ".a", "a b", "a/b", "ä", "a" * 65])
def test_names_are_safe_everywhere(complaints, head, name):
    """A queue's name becomes a folder's name, a label and a part of addresses."""
    [line] = complaints(f"{head}  {name}: {{connection: doc}}\n")
    assert line.startswith(
        f"6:3: queues.{name}: expected a name of at most 64 letters, digits, `.`, `_` and `-`"
    )


def test_names_may_look_like_numbers(load, head):
    """2026 and 012 are names like others."""
    assert set(load(f"{head}  2026: {{connection: doc}}\n  012: {{connection: doc}}\n").queues) == {
        "2026",
        "012",
    }


def test_no_queue_at_all_is_a_mistake(complaints, head):
    """There is nothing to do; a connection without queues is fine."""
    assert complaints(head.replace("queues:", "queues: {}")) == [
        "5:9: queues: is empty; write at least one entry"
    ]
    assert complaints(head.replace("queues:\n", "")) == ["1:1: queues: is missing"]


def test_a_webhook_address_needs_a_service_that_takes_it(complaints, load, head):
    """Rossum and DocDigitizer's v3 have no place for it, so it would never be called: said at the key."""
    rossum = "  r: {backend: rossum, base_url: https://r.example, token: t}\n"
    newer = "  v3: {backend: docdigitizer, api: v3, api_key: k}\nqueues:\n"
    text = head.replace("queues:\n", rossum + newer)
    url = "webhook_url: https://hooks.acme.example/webhooks/r/s3cret-of-acme"
    [line] = complaints(f"{text}  q: {{connection: r, queue_id: 1, {url}}}\n")
    assert "queues.q.webhook_url: connection `r` has no place for it" in line
    assert "s3cret" not in line
    [line] = complaints(f"{text}  q: {{connection: v3, {url}}}\n")
    assert "queues.q.webhook_url: connection `v3` has no place for it" in line
    queue = load(f"{text}  q: {{connection: acme, queue_id: 1, {url}}}\n").queues["q"]
    assert queue.webhook_url
    assert "s3cret" not in repr(queue) + str(queue.model_dump())


def test_identical_documents_are_not_refused_in_batches(queue_complaints, load_queue):
    """Rossum compares only what is alone in its request; each of the two settings by itself is fine."""
    [line] = queue_complaints("reject_identical: true\nmode: batch")
    assert line == (
        "9:5: queues.q.reject_identical: cannot go with `mode: batch`: "
        "Rossum compares a document only where it is alone in its request"
    )
    assert load_queue("mode: batch")
    assert load_queue("reject_identical: true")


def test_the_last_word_needs_a_service_that_can_be_asked(complaints, load, head):
    """`processed` is refused where nothing can be asked, with the reason; v3's answer is the result itself."""
    basic = "  b: {backend: rossum, base_url: https://r.example, auth: basic, username: u, password: p}\n"
    ids = "  i: {backend: rossum, base_url: https://r.example, token: t, upload: {document_id_paths: [id]}}\n"
    newer = "  v3: {backend: docdigitizer, api: v3, api_key: k}\nqueues:\n"
    text = head.replace("queues:\n", basic + ids + newer)
    for connection, why in (("b", "auth: basic"), ("i", "upload.document_id_paths"), ("v3", "api: v3")):
        [line] = complaints(f"{text}  q: {{connection: {connection}, queue_id: 1, wait_for: processed}}\n")
        assert (
            f"queues.q.wait_for: connection `{connection}` cannot tell when a document is processed" in line
        )
        assert why in line
    for connection in ("acme", "doc"):
        assert load(f"{text}  q: {{connection: {connection}, queue_id: 1, wait_for: processed}}\n")


def test_results_come_with_the_last_word(complaints, load, head):
    """Before the service is done nothing can be fetched, except where its answer to the upload is the result."""
    newer = "  v3: {backend: docdigitizer, api: v3, api_key: k}\nqueues:\n"
    text = head.replace("queues:\n", newer)
    for keys in ("", ", wait_for: imported", ", wait_for: accepted"):
        [line] = complaints(f"{text}  q: {{connection: acme, queue_id: 1, results: true{keys}}}\n")
        assert "queues.q.results: needs `wait_for: processed`" in line
        assert load(f"{text}  q: {{connection: v3, results: true{keys}}}\n").queues["q"].results
    assert load(f"{text}  q: {{connection: doc, wait_for: processed, results: true}}\n").queues["q"].results
