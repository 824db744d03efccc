"""Several documents in one request to Rossum: what may share one, and that each gets its own answer."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends import rossum_batch, rossum_search
from hotfolder.backends.base import (
    Apart,
    CannotTell,
    ContentChanged,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from hotfolder.backends.rossum import Rossum, RossumBody
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import NAMES, finished
from tests.backends.parcels import parcel, rossum, zeros

LIMIT = 40_000_000
BATCH = "0198c5a0-0000-7000-8000-000000000000"


def member(name: str, size: int | None = None, **changes: Any) -> Parcel:
    """Make a document of a batch; with a size, one of zeros."""
    facts: dict[str, Any] = {"name": name, "batch_id": BATCH} | changes
    if size is not None:
        return parcel(**{"size_bytes": size, "pieces": zeros(size)} | facts)
    return parcel(b"%PDF-1.4 " + name.encode() + b"\n%%EOF\n", **facts)


def names(requests: list[list[Parcel]]) -> list[list[str]]:
    """Return which documents share a request."""
    return [[one.name for one in request] for request in requests]


@pytest.fixture
def backend(sandbox: SandboxServer) -> Iterator[Rossum]:
    """A logged-in backend."""
    made = Rossum(rossum(sandbox.rossum_url))
    made.check(())
    yield made
    made.close()


def uploads(sandbox: SandboxServer) -> list[int]:
    """Return the number of the request that each document came with."""
    return [entry.number for entry in sandbox.ledger.entries]


def ids_of(sandbox: SandboxServer, sent: Parcel) -> str:
    """Return the service's id of the document with a parcel's content."""
    (entry,) = [one for one in sandbox.ledger.entries if one.sha256 == sent.sha256]
    return entry.ids["document"]


def receipts(told: list[Outcome]) -> list[Receipt]:
    """Return the outcomes, which must all be good."""
    assert all(isinstance(one, Receipt) for one in told), told
    return [one for one in told if isinstance(one, Receipt)]


# What shares a request ----------------------------------------------------------------------------


@pytest.mark.parametrize(("over", "together"), [(-1, True), (0, True), (1, False)])
def test_the_whole_body_counts(backend: Rossum, over: int, *, together: bool) -> None:
    """Two documents share a request up to 40,000,000 bytes of its body, framing and metadata included."""
    small = [member("a.pdf", 10), member("b.pdf", 10)]
    framing = backend._shared_body(small).length - 20
    sent = [member("a.pdf", 20_000_000), member("b.pdf", LIMIT - framing - 20_000_000 + over)]
    assert names(backend.together(sent)) == ([["a.pdf", "b.pdf"]] if together else [["a.pdf"], ["b.pdf"]])


def test_a_full_request_is_as_long_as_it_says(backend: Rossum, sandbox: SandboxServer) -> None:
    """45 documents of a million bytes are two requests, in order, and none is refused as too large."""
    sandbox.world.options = SandboxOptions(rossum_max_bytes=LIMIT)
    sent = [member(f"{number:02}.pdf", 1_000_000) for number in range(45)]
    first, second = backend.together(sent)
    assert [*first, *second] == sent
    assert (len(first), len(second)) == (39, 6)
    for request in (first, second):
        body = backend._shared_body(request)
        assert sum(map(len, body.pieces())) == body.length <= LIMIT
        receipts(backend.upload_many(request))
    assert uploads(sandbox) == [uploads(sandbox)[0]] * 39 + [uploads(sandbox)[-1]] * 6


def test_a_large_one_goes_alone(backend: Rossum) -> None:
    """A document above the limit of a request is one by itself, and those around it keep their order."""
    sent = [member("a.pdf", 5), member("b.pdf", 40 * 1024 * 1024), member("c.pdf", 5), member("d.pdf", 5)]
    assert names(backend.together(sent)) == [["a.pdf"], ["b.pdf"], ["c.pdf", "d.pdf"]]


def test_the_mark_fits_into_the_metadata(backend: Rossum) -> None:
    """So many share a request as their upload ids and names fit into 4 kB of metadata beside the queue's own."""
    sent = [member(f"ž{number:03}.pdf", 1, metadata={"site": "x" * 500}) for number in range(90)]
    requests = backend.together(sent)
    lengths = [len(rossum_batch.metadata(one).encode()) for one in requests]
    assert len(requests) == 2
    assert 3900 < lengths[0] <= 4000
    assert [one for request in requests for one in request] == sent


@pytest.mark.parametrize(
    "differs",
    [
        {"queue_id": "8237"},
        {"metadata": {"site": "Prague"}},
        {"values": {"upload:unit": "north"}},
        {"batch_id": "another"},
        {"batch_id": None},
        {"reject_identical": True},
        {"name": "A&#46;pdf"},
    ],
)
def test_what_differs_does_not_share(backend: Rossum, differs: dict[str, Any]) -> None:
    """Another queue, other metadata or values, a guarded repeat, a name stored alike: a request of its own."""
    first, last = member("A.pdf"), member("z.pdf")
    other = member(**{"name": "b.pdf"} | differs)
    assert backend.together([first, other, last])[0] == [first]
    assert len(backend.together([first, member("b.pdf"), last])) == 1


def test_guarded_repeats_never_share(backend: Rossum) -> None:
    """`reject_identical` allows one file in a request."""
    assert len(backend.together([member(name, reject_identical=True) for name in ("a.pdf", "b.pdf")])) == 2


def test_form_fields_that_differ_do_not_share(sandbox: SandboxServer) -> None:
    """A configured form field with the name in it, or the name in the path, is not for two."""
    both = [member("a.pdf"), member("b.pdf")]
    for upload in ({"fields": {"note": "of {name}"}}, {"path": "/uploads/{name}?queue={queue_id}"}):
        backend = Rossum(rossum(sandbox.rossum_url, upload=upload))
        assert len(backend.together(both)) == 2
        backend.close()


@pytest.mark.parametrize("upload", [{"encoding": "body"}, {"document_id_paths": ("id",)}])
def test_what_cannot_be_shared_goes_alone(sandbox: SandboxServer, upload: dict[str, Any]) -> None:
    """Raw bodies hold one document, and ids in the answer would belong to nobody."""
    backend = (RossumBody if "encoding" in upload else Rossum)(rossum(sandbox.rossum_url, upload=upload))
    assert len(backend.together([member("a.pdf"), member("b.pdf")])) == 2
    backend.close()
    assert RossumBody.traits.files_per_request == 1


def test_names_that_are_stored_alike_are_told_apart() -> None:
    """What Django makes of a name is one of its spellings: no folder, no entity, not above 255 characters."""
    stored = {
        "a&amp;b.pdf": "a&b.pdf",
        "x&#47;y.pdf": "y.pdf",
        "back\\slash.pdf": "slash.pdf",
        "zero\u200bwidth.pdf": "zerowidth.pdf",
        'q"' * 120 + ".pdf": ("q%22" * 120)[:251] + ".pdf",
    }
    for sent, at_rossum in stored.items():
        assert rossum_batch.is_named(at_rossum, sent)
        assert not rossum_batch.is_named("other.pdf", sent)
    assert rossum_batch.is_named("e\u0301.pdf", "\u00e9.pdf")


# One answer for each ------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_each_document_gets_its_own_ids(sandbox: SandboxServer, backend: Rossum, *, shuffle: bool) -> None:
    """Whatever the order of an upload's documents, each file ends with the ids of its own content."""
    sandbox.world.options = SandboxOptions(
        rossum_shuffle=shuffle, rossum_hook_documents=2, rossum_task_polls=0
    )
    sent = [member(name) for name in NAMES]
    (request,) = backend.together(sent)
    told = receipts(backend.upload_many(request))
    assert len(set(uploads(sandbox))) == 1
    ends = [finished(backend, receipt, one) for receipt, one in zip(told, sent, strict=True)]
    assert [end.document_ids for end in ends] == [(ids_of(sandbox, one),) for one in sent]
    assert len({end.remote.upload for end in ends}) == len({end.remote.task for end in ends}) == 1
    by_document = {entry.ids["document"]: entry.ids["annotation"] for entry in sandbox.ledger.entries}
    for end in ends:
        (annotation,) = end.remote.annotations
        assert annotation.rpartition("/")[2] == by_document[end.document_ids[0]]


def test_one_question_answers_for_all(sandbox: SandboxServer, backend: Rossum) -> None:
    """The task, the upload and the documents of a request are asked for once, not once for each document."""
    sandbox.world.options = SandboxOptions(rossum_task_polls=0, rossum_annotation_polls=0)
    sent = [member(f"{number}.pdf") for number in range(20)]
    told = receipts(backend.upload_many(sent))
    before = len(sandbox.ledger.requests)
    ends = [finished(backend, receipt, one) for receipt, one in zip(told, sent, strict=True)]
    assert [end.document_ids for end in ends] == [(ids_of(sandbox, one),) for one in sent]
    asked = [line.path.rpartition("/v1/")[2].partition("/")[0] for line in sandbox.ledger.requests[before:]]
    assert {kind: asked.count(kind) for kind in ("tasks", "uploads", "documents")} == {
        "tasks": 1,
        "uploads": 1,
        "documents": 1,
    }


def test_each_has_its_own_fate(sandbox: SandboxServer, backend: Rossum) -> None:
    """One file cannot be imported, one is left out: only these are refused."""
    accepted = ("application/pdf",)
    sandbox.world.options = SandboxOptions(rossum_accepted_mime_types=accepted, rossum_task_polls=0)
    sandbox.play([{"match": {"file": "bad*"}, "do": {"failed_import": True}}])
    good, bad, left = member("good.pdf"), member("bad.pdf"), parcel(b"no pdf", name="l.pdf", batch_id=BATCH)
    one, two, three = receipts(backend.upload_many([good, bad, left]))
    assert finished(backend, one, good).document_ids == (ids_of(sandbox, good),)
    with pytest.raises(Refused) as raised:
        finished(backend, two, bad)
    assert raised.value.answer.error_key == "failed_import"
    with pytest.raises(Refused, match="left it out of the import: filtered_by_queue_mime_type"):
        finished(backend, three, left)


def shown(sandbox: SandboxServer, *documents: dict[str, Any]) -> None:
    """Let the list of documents show these, with the ids and names that the ledger tells unless they say otherwise."""
    known = [
        {"id": int(entry.ids["document"]), "original_file_name": entry.file_name, "parent": None}
        for entry in sandbox.ledger.entries
    ]
    results = [old | new for old, new in zip(known, documents, strict=False)]
    body = {"pagination": {}, "results": results}
    sandbox.play([{"match": {"method": "GET", "path": "*/documents"}, "do": {"status": 200, "body": body}}])


@pytest.mark.parametrize(
    ("second", "number"),
    [
        ({"original_file_name": "renamed.pdf"}, 0),
        ({"original_file_name": None}, 0),
        ({"parent": "https://r.example/documents/1"}, 0),
        ({}, 1),
    ],
)
def test_a_document_without_match_is_in_doubt(
    sandbox: SandboxServer, backend: Rossum, second: dict[str, Any], number: int
) -> None:
    """A file that Rossum calls otherwise, or that became a child of another document, is nobody's guess."""
    sandbox.world.options = SandboxOptions(rossum_task_polls=0)
    sent = [member("a.pdf"), member("b.pdf")]
    _, receipt = receipts(backend.upload_many(sent))
    shown(sandbox, {}, second)
    if number:
        assert backend.follow_up(receipt, sent[1]).document_ids == (ids_of(sandbox, sent[1]),)
        return
    with pytest.raises(Uncertain, match=r"2 documents of its upload Rossum calls 0 'b.pdf'"):
        backend.follow_up(receipt, sent[1])


def test_two_documents_of_a_name_are_in_doubt(sandbox: SandboxServer, backend: Rossum) -> None:
    """Where two of an upload's documents bear the name, neither is taken for it."""
    sandbox.world.options = SandboxOptions(rossum_task_polls=0)
    sent = [member("a.pdf"), member("b.pdf")]
    first, _ = receipts(backend.upload_many(sent))
    shown(sandbox, {}, {"original_file_name": "a.pdf"})
    with pytest.raises(Uncertain, match=r"calls 2 'a.pdf'"):
        backend.follow_up(first, sent[0])


def test_what_is_not_shown_yet_is_waited_for(sandbox: SandboxServer, backend: Rossum) -> None:
    """Until the list shows all of an upload's documents nothing is concluded from it."""
    sandbox.world.options = SandboxOptions(rossum_task_polls=0)
    sent = [member("a.pdf"), member("b.pdf")]
    _, receipt = receipts(backend.upload_many(sent))
    shown(sandbox, {})
    waiting = backend.follow_up(receipt, sent[1])
    assert (waiting.final, waiting.document_ids, waiting.remote.documents) == (False, (), ())


def test_a_failed_task_is_nobodys_fault(sandbox: SandboxServer, backend: Rossum) -> None:
    """Where the task of several fails, none is refused for it: each is in doubt, and Rossum has none of them."""
    sandbox.world.options = SandboxOptions(rossum_task_polls=0)
    sandbox.play([{"match": {"file": "bad*"}, "do": {"failed_task": True}}])
    sent = [member("good.pdf"), member("bad.pdf")]
    for receipt, one in zip(receipts(backend.upload_many(sent)), sent, strict=True):
        with pytest.raises(Uncertain, match="Import failed"):
            finished(backend, receipt, one)
        assert backend.find(one, sandbox.ledger.entries[0].arrived_at) is None


# Where it fails -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_refusal_of_several_takes_them_apart(sandbox: SandboxServer, backend: Rossum, status: int) -> None:
    """One bad file makes Rossum refuse the request; none was taken, so each may go by itself."""
    sandbox.play([{"match": {"file": "bad*"}, "do": {"status": status}}])
    sent = [member("a.pdf"), member("bad.pdf"), member("z.pdf")]
    told = backend.upload_many(sent)
    assert [one.status for one in told if isinstance(one, Apart)] == [status] * 3
    assert not sandbox.ledger.entries
    single = [backend.upload_many([one])[0] for one in sent]
    assert [type(one) for one in single] == [Receipt, Refused, Receipt]


def test_a_chosen_refusal_takes_nothing_apart(sandbox: SandboxServer) -> None:
    """A 500 that the configuration calls a refusal does not say that nothing was taken."""
    backend = Rossum(rossum(sandbox.rossum_url, statuses={"500": "fail"}))
    sandbox.play([{"match": {"method": "POST", "path": "*/uploads"}, "do": {"status": 500}}])
    told = backend.upload_many([member("a.pdf"), member("b.pdf")])
    assert [type(one) for one in told] == [Refused, Refused]
    backend.close()


@pytest.mark.parametrize(
    ("do", "kind"),
    [
        ({"rate_limit": 7}, Unavailable),
        ({"status": 503, "body": {}}, Uncertain),
        ({"status": 500}, Uncertain),
        ({"status": 403}, Unauthorized),
        ({"reset": "mid_body"}, Unavailable),
        ({"reset": "after_commit"}, Uncertain),
        ({"empty_body": True}, Uncertain),
    ],
)
def test_trouble_is_that_of_each(sandbox: SandboxServer, backend: Rossum, do: Any, kind: type) -> None:
    """What is no refusal means for each document of a request what it means for a single one."""
    sandbox.play([{"match": {"method": "POST", "path": "*/uploads"}, "do": do}])
    sent = [member("a.pdf", 15_000_000), member("b.pdf", 15_000_000)]
    assert [type(one) for one in backend.upload_many(sent)] == [kind, kind]


@pytest.mark.parametrize("problem", [ContentChanged("it changed"), OSError(5, "Input/output error")])
def test_a_file_that_spoils_the_request(sandbox: SandboxServer, backend: Rossum, problem: Exception) -> None:
    """A file that changed or cannot be read fails alone: the others were certainly not taken, and may go by themselves."""

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise problem

    sent = [member("a.pdf"), member("b.pdf", 10, pieces=broken), member("c.pdf")]
    first, second, third = backend.upload_many(sent)
    assert second is problem
    assert isinstance(first, Apart)
    assert isinstance(third, Apart)
    assert not sandbox.ledger.entries


# Asked for afterwards -----------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
def test_each_is_found_by_mark_and_name(sandbox: SandboxServer, backend: Rossum, *, shuffle: bool) -> None:
    """After a lost answer each document of the request is found as itself; one that was not in it is not."""
    sandbox.world.options = SandboxOptions(rossum_shuffle=shuffle)
    sandbox.play([{"match": {"method": "POST", "path": "*/uploads"}, "do": {"reset": "after_commit"}}])
    sent = [member(name) for name in NAMES]
    told = backend.upload_many(sent)
    assert {type(one) for one in told} == {Uncertain}
    since = sandbox.ledger.entries[0].arrived_at
    for one in sent:
        found = backend.find(one, since)
        assert found is not None
        assert found.document_ids == (ids_of(sandbox, one),)
        assert finished(backend, found, one).document_ids == (ids_of(sandbox, one),)
    assert backend.find(member("a.pdf"), since) is None


def test_both_marks_are_known(sandbox: SandboxServer, backend: Rossum) -> None:
    """Documents that went alone and together are found side by side, and listed with their upload ids."""
    single, both = member("s.pdf"), [member("a.pdf"), member("b.pdf")]
    receipts([*backend.upload_many([single]), *backend.upload_many(both)])
    since = sandbox.ledger.entries[0].arrived_at
    for one in (single, *both):
        found = backend.find(one, since)
        assert found is not None
        assert found.document_ids == (ids_of(sandbox, one),)
    listed = {one.name: one.upload_id for one in backend.documents("8236", 10)}
    assert listed == {one.name: one.upload_id for one in (single, *both)}
    sent = json.loads(rossum_batch.metadata(both))["hotfolder"]
    assert sent == {"batch_id": BATCH, "uploads": {one.name: one.upload_id for one in both}}
    assert [entry.metadata for entry in sandbox.ledger.entries[1:]] == [{"hotfolder": sent}] * 2


def test_of_a_request_that_arrived_nothing_is_a_clear_no(sandbox: SandboxServer, backend: Rossum) -> None:
    """Where Rossum shows others of a request and not this one, it may be on its way: it must not be sent again."""
    sent = [member("a.pdf"), member("late.pdf")]
    receipts(backend.upload_many([sent[0], member("b.pdf", upload_id=sent[1].upload_id)]))
    since = sandbox.ledger.entries[0].arrived_at
    mangled(sandbox, "strange.pdf")
    with pytest.raises(CannotTell, match=r"which document of its request is 'late.pdf'"):
        backend.find(sent[1], since)


def mangled(sandbox: SandboxServer, name: str) -> None:
    """Let the list of documents call them all by another name."""
    results = [
        {"id": int(entry.ids["document"]), "original_file_name": name} for entry in sandbox.ledger.entries
    ]
    rule = {"method": "GET", "path": "*/documents"}
    sandbox.play([{"match": rule, "do": {"status": 200, "body": {"pagination": {}, "results": results}}}])


@pytest.mark.parametrize(("import_s", "kind"), [(600.0, Unavailable), (-5.0, CannotTell)])
def test_one_that_is_missing_in_its_request(
    sandbox: SandboxServer,
    backend: Rossum,
    monkeypatch: pytest.MonkeyPatch,
    import_s: float,
    kind: type[Exception],
) -> None:
    """A document of which only the neighbours are there may be on its way; later a person is asked, it is not sent again."""
    monkeypatch.setattr(rossum_search, "IMPORT_S", import_s)
    sent = [member("a.pdf"), member("odd.pdf")]
    twin = replace(member("b.pdf"), upload_id=sent[1].upload_id)
    receipts(backend.upload_many([sent[0], twin]))
    sandbox.play([{"match": {"method": "GET", "path": "*/documents", "first": 1}, "do": only_first(sandbox)}])
    with pytest.raises(kind, match=r"other documents of the request of 'odd.pdf'"):
        backend.find(sent[1], sandbox.ledger.entries[0].arrived_at)


def only_first(sandbox: SandboxServer) -> dict[str, Any]:
    """Answer with the name of the first document for all."""
    numbers = [int(entry.ids["document"]) for entry in sandbox.ledger.entries]
    found = [{"id": number, "original_file_name": "a.pdf"} for number in numbers]
    return {"status": 200, "body": {"pagination": {}, "results": found}}
