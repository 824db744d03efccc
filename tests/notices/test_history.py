from dataclasses import replace

from hotfolder.journal import Happened
from hotfolder.model import Answer, Earlier, ErrorSource
from hotfolder.notices.history import FRESH_S, failed_key, told
from hotfolder.troubles import Arrived, Kind
from tests.builders import NOW, journey


def failed(**changes):
    """Make a document at rest in failed/."""
    given = {
        "error_source": ErrorSource.SERVER,
        "filed_at": NOW,
        "reason": "413: it is too large.",
        **changes,
    }
    return journey(**given)


def test_a_failed_document_is_told_with_its_reason():
    """File, queue, reason and the command that sends it again."""
    document = failed(folder=b"sub", name=b"b\xff\n.pdf")
    (trouble,) = told([Happened(NOW, "file", "invoices", document)], NOW).failed
    assert trouble.key == failed_key(document.upload_id)
    assert (trouble.kind, trouble.queues, trouble.since) == (Kind.FAILED, ("invoices",), NOW)
    assert trouble.file == "sub/b\\xff\\n.pdf"
    assert trouble.what == "413: it is too large"
    assert "hotfolder retry --queue invoices" in trouble.advice


def test_a_document_without_a_reason():
    """The service's own messages stand in for it, or that there are none."""
    answer = failed(reason=None, answer=Answer(422, messages=("broken", "twice")))
    silent = failed(reason=None)
    found = told([Happened(NOW, "file", "invoices", j) for j in (answer, silent)], NOW).failed
    assert [trouble.what for trouble in found] == ["broken; twice", "no reason was given"]


def test_old_failures_are_not_told():
    """What failed before anybody was to be told, or stands in a journal that was rebuilt, is the past."""
    old = Happened(NOW, "file", "invoices", failed(filed_at=NOW - FRESH_S))
    assert told([old], NOW).failed == ()


def test_a_document_that_came_back():
    """Delivered, it mends the failure; failed again, it is a failure of its own."""
    back = Earlier("the-first", b"", b"scan.pdf")
    well = replace(failed(), error_source=None, retries=back)
    again = failed(retries=back)
    assert told([Happened(NOW, "file", "invoices", well)], NOW).mended == (failed_key("the-first"),)
    found = told([Happened(NOW, "file", "invoices", again)], NOW)
    assert found.mended == ()
    assert len(found.failed) == 1


def test_arrivals_are_counted_by_the_hour():
    """Each claim counts once, in its hour and queue, with the last moment; ancient ones do not."""
    moments = [NOW, NOW + 1, NOW + 3600, NOW - 13 * 7 * 86_400]
    hour = int(NOW // 3600)
    found = told([Happened(at, "claim", "q", None) for at in moments], NOW + 3600).arrived
    assert [one for one in found if one.number] == [
        Arrived("q", hour, 2, NOW + 1),
        Arrived("q", hour + 1, 1, NOW + 3600),
    ]
