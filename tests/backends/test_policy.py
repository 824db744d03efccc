"""The table of statuses: every code has one meaning, and answers that came early mean less."""

from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends.answers import Reply, Secrets
from hotfolder.backends.base import Refused, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.policy import ADVICE, Judge, Profile, Verdict
from hotfolder.model import Remote
from tests.backends.parcels import rossum

PROFILE = Profile("Service", ("detail",), ("code",), {"404 ODD": Verdict.FAIL})
RAISED = {
    Verdict.FAIL: Refused,
    Verdict.RETRY: Unavailable,
    Verdict.BUSY: Unavailable,
    Verdict.PAUSE: Unauthorized,
    Verdict.PAUSE_QUEUE: Unauthorized,
    Verdict.ASK: Uncertain,
}


def judge(**statuses: str) -> Judge:
    """Make a judge with a clock that stands."""
    chosen = {key.removeprefix("s").replace("_", " ", 1): word for key, word in statuses.items()}
    return Judge(PROFILE, rossum("https://acme.example", statuses=chosen), Secrets(), lambda: 0.0)


def test_each_answer_tells_the_time() -> None:
    """The service's clock is known from the latest answer that has a date, whatever its status."""
    listening = judge()
    for date, ahead_s in (
        (None, None),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60.0),
        ("soon", 60.0),
        ("Wed, 31 Dec 1969 23:59:00 GMT", -60.0),
    ):
        listening.hear(Reply(500, {} if date is None else {"date": date}))
        assert listening.ahead_s == ahead_s


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_an_outcome(status: int) -> None:
    """Whatever status comes, an upload ends as a yes or in one of the four ways to fail, with words."""
    verdict = judge().verdict(Reply(status))
    assert (verdict is Verdict.DONE) == (status < 300)
    if verdict is Verdict.DONE:
        judge().upload(Reply(status))
    else:
        with pytest.raises(RAISED[verdict], match=str(status)):
            judge().upload(Reply(status))


@pytest.mark.parametrize("status", range(200, 600))
def test_early_answers(status: int) -> None:
    """Before the whole document went out, a yes is uncertain and what was uncertain is not taken."""
    early = Reply(status, request_complete=False)
    expected = {Verdict.DONE: Uncertain, Verdict.ASK: Unavailable}
    verdict = judge().verdict(early)
    with pytest.raises(expected.get(verdict) or RAISED[verdict]):
        judge().upload(early)


@pytest.mark.parametrize("status", range(300, 600))
def test_questions_can_be_repeated(status: int) -> None:
    """No answer to a question is a refusal or uncertain."""
    with pytest.raises((Unavailable, Unauthorized)):
        judge().read(Reply(status))


def test_operators_table_wins_and_the_specific_key_more() -> None:
    """`statuses` replaces entries of the table; a code makes a key more specific, whoever wrote it."""
    mine = judge(s404="retry", s202="fail", s500_X="done")
    assert mine.verdict(Reply(404)) is Verdict.RETRY
    assert mine.verdict(Reply(404, document={"code": "ODD"})) is Verdict.FAIL
    assert mine.verdict(Reply(202)) is Verdict.FAIL
    assert mine.verdict(Reply(500)) is Verdict.ASK
    assert mine.verdict(Reply(500, document={"code": "X"})) is Verdict.DONE
    assert judge(s404_ODD="pause").verdict(Reply(404, document={"code": "ODD"})) is Verdict.PAUSE


@pytest.mark.parametrize(
    ("document", "whose"),
    [({"detail": "Maintenance."}, "service"), ({"x": 1}, "proxy"), ([], "proxy"), (None, "proxy")],
)
def test_well_formed_503(document: Any, whose: str) -> None:
    """A 503 in the service's own form is probably not taken, a proxy's is just uncertain."""
    with pytest.raises(Uncertain) as raised:
        judge().upload(Reply(503, {"retry-after": "20"}, document=document))
    assert (raised.value.probably_not_taken, raised.value.retry_after_s) == (whose == "service", 20.0)


def test_retry_after_as_a_date() -> None:
    """A date is counted from the clock that was given."""
    with pytest.raises(Unavailable) as raised:
        judge().upload(Reply(429, {"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}))
    assert raised.value.retry_after_s == 30.0


@pytest.mark.parametrize("status", [400, 409, 413, 415, 418, 422])
def test_record_says_what_to_do(status: int) -> None:
    """A refusal without a word of the service still has its status in words and an advice."""
    record = judge().record(Reply(status))
    assert record.messages is not None
    assert str(status) in record.messages[0]
    assert record.messages[-1] == ADVICE.get(status, record.messages[-1])
    assert record.document_ids is None
    assert len(record.messages) == 2


@pytest.mark.parametrize(
    ("link", "shown"),
    [("https://a.example/#b", True), ("see above", False), (7, False), (None, False), (["https://x"], False)],
)
def test_the_page_that_explains_an_error(link: Any, shown: bool) -> None:  # noqa: FBT001
    """An address in an error stands behind its words, in the reason and in the record; a yes's address is no page."""
    profile = replace(PROFILE, link_paths=("url",))
    mine = Judge(profile, rossum("https://acme.example"), Secrets(), lambda: 0.0)
    reply = Reply(429, document={"detail": "Too fast.", "url": link})
    with pytest.raises(Unavailable) as raised:
        mine.upload(reply)
    assert ("(Too fast.; see https://a.example/#b)" in str(raised.value)) == shown
    assert ("see https://a.example/#b" in (mine.record(reply).messages or ())) == shown
    assert "see" not in mine.says(Reply(202, document={"url": link, "detail": "x"})).replace("see above", "")


def test_late_failure() -> None:
    """A document that could not be imported is refused with the service's words, or with ours."""
    told = judge().failed_later(("Error id: 7",), "failed_import", Remote(task="t"))
    assert told.answer.messages is not None
    assert told.answer.messages[0] == "Error id: 7"
    assert told.remote == Remote(task="t")
    assert judge().failed_later((), "x", Remote()).answer.messages


@pytest.mark.parametrize("location", ["", "/elsewhere", "http://[odd/", "https://u:p@host.example/x"])
def test_redirect(location: str) -> None:
    """A redirect names the host alone, and any Location is survived."""
    with pytest.raises(Unauthorized, match="base_url") as raised:
        judge().upload(Reply(301, {"location": location}))
    assert ("host.example" in str(raised.value)) == ("host.example" in location)
    assert "u:p" not in str(raised.value)
