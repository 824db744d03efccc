from pathlib import Path

import pytest
from pydantic import ValidationError

from hotfolder.settings import Queue, Retain, SizeLimit


def test_defaults_are_those_of_the_documentation(load_queue):
    """A queue with only a connection behaves as the documentation says."""
    queue = load_queue("")
    assert (queue.name, queue.folder) == ("q", Path("/srv/hotfolder/q"))
    assert (queue.done, queue.failed) == (Path("/srv/hotfolder/q/done"), Path("/srv/hotfolder/q/failed"))
    assert queue.types == {"application/pdf", "image/jpeg", "image/png", "image/tiff"}
    assert (queue.settle_s, queue.settle_max_s, queue.patience_s, queue.rescan_s) == (1, 120, 900, 60)
    assert (queue.max_size, queue.min_size_bytes, queue.poll, queue.poll_interval_s) == (
        SizeLimit(),
        1,
        "auto",
        None,
    )
    assert (queue.recursive, queue.ignore, queue.metadata, queue.values) == (False, (), {}, {})
    assert (queue.mode, queue.on_error, queue.duplicates, queue.wait_for, queue.uncertain) == (
        "single",
        "continue",
        "send",
        "imported",
        "hold",
    )
    assert (queue.duplicates_within_s, queue.companion_timeout_s, queue.retain) == (
        90 * 86_400,
        600,
        Retain(),
    )


def test_what_is_written_reaches_its_attribute(load_queue):
    """Keys without units become attributes with them."""
    queue = load_queue(
        "types: [tif, jpg]\nmax_size: 5MB\nmin_size: 1kB\nsettle: 3s\nsettle_max: 4s\npatience: 5s\n"
        "rescan: 6s\npoll: always\npoll_interval: 7s\nrecursive: true\nignore: ['*.bak']\n"
        "metadata: {site: Prague, floor: 2}\nvalues: {currency: CZK}\nuncertain: resend\ndocument_class: x\n"
        "reject_identical: true\nwait_for: accepted\nfolder: /a\ndone: /b\nfailed: /c"
    )
    assert queue.types == {"image/tiff", "image/jpeg"}
    assert (queue.max_size, queue.min_size_bytes) == (SizeLimit(given=True, size_bytes=5_000_000), 1000)
    assert (queue.settle_s, queue.settle_max_s, queue.patience_s, queue.rescan_s) == (3, 4, 5, 6)
    assert (queue.poll, queue.poll_interval_s, queue.recursive, queue.ignore) == (
        "always",
        7,
        True,
        ("*.bak",),
    )
    assert (queue.metadata, queue.values) == ({"site": "Prague", "floor": 2}, {"currency": "CZK"})
    assert (queue.uncertain, queue.document_class, queue.reject_identical) == ("resend", "x", True)
    assert (queue.wait_for, queue.folder, queue.done, queue.failed) == (
        "accepted",
        Path("/a"),
        Path("/b"),
        Path("/c"),
    )


@pytest.mark.parametrize(
    "written", ["8236", "012", "q7", "'1.10'", "1e3", "no", "123456789012345678901234567890"]
)
def test_a_queue_id_is_kept_as_written(load, head, written):
    """The service's id is opaque: no digit is lost."""
    loaded = load(f"{head}  q: {{connection: acme, queue_id: {written}}}\n")
    assert loaded.queues["q"].queue_id == written.strip("'")


@pytest.mark.parametrize("written", ["1.10", "true", "[1]", "' '", "''"])
def test_a_queue_id_that_could_be_misread_is_refused(complaints, head, written):
    """What YAML takes for another kind of value must be put in quotes."""
    [line] = complaints(f"{head}  q: {{connection: acme, queue_id: {written}}}\n")
    assert "6:35: queues.q.queue_id: expected the queue's id: a whole number, or text in quotes" in line


@pytest.mark.parametrize(
    ("written", "service", "limit"),
    [
        ("null", 10, 10),
        ("null", None, None),
        ("none", 10, None),
        ("5", 10, 5),
        ("20B", 10, 20),
        ("1KiB", None, 1024),
    ],
)
def test_the_size_limit_is_the_services_unless_given(load_queue, written, service, limit):
    """Null leaves it to the service, `none` lifts it, a size replaces it."""
    assert load_queue(f"max_size: {written}").max_size.in_bytes(service) == limit


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("max_size: 0", "expected a size above 0"),
        ("max_size: 5mb", "expected a size such as"),
        ("max_size: true", "expected a size such as"),
        ("min_size: -1", "expected a size such as"),
        ("min_size: 1.5", "expected a size such as"),
        ("types: []", "is empty; write at least one entry"),
        ("types: pdf", "expected a list"),
        ("types: [heic]", "expected one of pdf, jpeg, png, tiff"),
        ("recursive: yes", "write true or false"),
        ("recursive: 1", "write true or false"),
        ("reject_identical: 'true'", "write true or false"),
        ("ignore: '*.bak'", "expected a list"),
        ("ignore: ['']", "is empty"),
        ("metadata:", "expected keys and values"),
        ("metadata: [a]", "expected keys and values"),
        ("poll: sometimes", "expected one of auto, never, always"),
        ("document_class: 5", "expected text"),
        ("document_class: ''", "is empty"),
        ("companion: '{name}.json'", "`{name}.json` is the sidecar's name"),
        ("companion: data.json", "expected a name with {name} or {stem}"),
        ("ready_marker: 'x/{name}'", "expected a name without /"),
        ("ready_marker: '{name}.json'", "`{name}.json` is the sidecar's name"),
        ("ready_marker: '{stem}.PDF'", "documents end so, and markers are removed"),
        ("ready_marker: '{name}.tmp'", "are left alone: *.tmp (temporary file)"),
        ("companion: '.{stem}.json'", "are left alone: .* (hidden"),
        ("companion: '{stem}.xml'\nignore: ['*.xml']", "are left alone: *.xml (this queue's `ignore`)"),
        ("companion: '{stem}.xml'\nready_marker: '{stem}.xml'", "is `ready_marker` too"),
        ("webhook_url: example.com", "expected an address"),
        ("duplicates_within: 0s", "longer than 0s"),
        ("settle: -1s", "expected a duration"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(queue_complaints, keys, message):
    """Each kind of mistake says what was expected, at the key's line and alone."""
    [line] = queue_complaints(keys)
    assert line.startswith("9:")
    assert f"queues.q.{keys.split(':')[0]}" in line
    assert message in line


def test_settle_max_is_at_least_settle(load_queue, queue_complaints):
    """Left out, it follows a long `settle`; written shorter, it is a mistake."""
    assert load_queue("settle: 5m").settle_max_s == 300
    assert queue_complaints("settle_max: 1s\nsettle: 2s") == [
        "9:17: queues.q.settle_max: must not be shorter than `settle`"
    ]


def test_min_size_is_at_most_max_size(queue_complaints):
    """No document could pass otherwise."""
    assert queue_complaints("min_size: 6MB\nmax_size: 5MB") == [
        "9:15: queues.q.min_size: must not be larger than `max_size`"
    ]


def test_a_companion_may_be_waited_for_for_ever():
    """`never` means no time-out."""
    queue = Queue.model_validate(
        {"name": "q", "connection": "a", "folder": "/a", "companion_timeout": "never"}
    )
    assert queue.companion_timeout_s is None


def test_programs_build_queues_by_attribute():
    """Attributes take seconds and media types; the archive follows the folder; nothing changes later."""
    queue = Queue(name="q", connection="a", folder=Path("/a"), settle_s=0.5, types=frozenset({"image/png"}))
    assert (queue.settle_s, queue.done) == (0.5, Path("/a/done"))
    with pytest.raises(ValidationError):
        queue.settle_s = 1.0


@pytest.mark.parametrize("name", ["STATUS.txt", "stav fronty.TXT", "Übersicht_2.1.txt", "_queue-state.txt"])
def test_names_of_a_status_file(load_queue, name):
    """A short name that every system can show, and every office program opens."""
    assert load_queue(f"status_file: {name}").status_file == name


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("status_file: a/STATUS.txt", "expected a name such as STATUS.txt"),
        ("status_file: ..txt", "expected a name such as STATUS.txt"),
        ("status_file: .txt", "expected a name such as STATUS.txt"),
        ("status_file: 'STATUS .txt'", "expected a name such as STATUS.txt"),
        ("status_file: STATUS.pdf", "expected a name such as STATUS.txt"),
        ("status_file: STATUS", "expected a name such as STATUS.txt"),
        ("status_file: 'a:b.txt'", "expected a name such as STATUS.txt"),
        ("status_file: '*.txt'", "expected a name such as STATUS.txt"),
        ("status_file: CON.txt", "Windows takes this name for a device"),
        ("status_file: lpt1.x.txt", "Windows takes this name for a device"),
        ("ready_marker: '{stem}.txt'\nstatus_file: STATUS.txt", "come with documents (`ready_marker`)"),
        ("failed: /srv/hotfolder/q/STATUS.txt\nstatus_file: STATUS.txt", "a folder of documents already"),
    ],
)
def test_a_status_file_that_would_not_do(queue_complaints, keys, said):
    """A name that is a path, hidden, a document's, or something else's is refused with what to write."""
    assert [one for one in queue_complaints(keys) if said in one]
