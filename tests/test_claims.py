"""Making a document ours, and giving it back."""

import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotfolder import claims, spool
from hotfolder.backends.base import ContentChanged
from hotfolder.checks.readiness import Unfit
from hotfolder.model import Answer, ErrorSource, Journey, State
from tests.builders import NOW, ORIGIN, PDF, STAMP, arrival, claimed, drop, journey, names_in, put_in_work


def ready(folders: spool.Folders, **changes: object) -> Journey:
    """Drop a document and return the journey that announces its claim."""
    made = journey(**changes)
    return replace(made, stamp=drop(folders, made.name, PDF, made.folder).stamp)


def work(folders: spool.Folders) -> list[str]:
    """Return the names in the work folder, without the notes on where documents were dropped."""
    return [name for name in os.listdir(folders.work) if not name.startswith("origin.")]


def test_a_name_that_does_not_say_all_is_noted(folders: spool.Folders) -> None:
    """Folder and whole name of a document stand beside it as long as it is ours, and no longer."""
    for made in (ready(folders, folder=b"sub"), ready(folders, name=b"x" * 255)):
        claims.secure(folders, made)
        assert os.fsdecode(claims.note_name(made.upload_id)) in os.listdir(folders.work)
        claims.give_back(folders, made, NOW)
        assert os.listdir(folders.work) == []
        with pytest.raises(claims.ClaimFailedError):
            claims.secure(folders, replace(made, name=b"z" * 255))
        assert os.listdir(folders.work) == []


@pytest.mark.parametrize("later", ["claim", "trial"])
@pytest.mark.parametrize("fails", ["give back", "claim"])
def test_a_note_that_a_broken_disk_kept_goes_later(
    fails: str, later: str, folders: spool.Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be removed holds nothing up, and goes with the next claim, or when the disk is tried out."""
    made, real = ready(folders, folder=b"sub"), spool.remove

    def broken(name: bytes, at: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if fails == "give back":
        claims.secure(folders, made)
    with monkeypatch.context() as patch:
        patch.setattr(spool, "remove", broken)
        if fails == "give back":
            assert claims.give_back(folders, made, NOW) == made.name
        else:
            with pytest.raises(claims.ClaimFailedError):
                claims.secure(folders, replace(made, name=b"gone.pdf"))
    note = os.fsdecode(claims.note_name(made.upload_id))
    assert note in os.listdir(folders.work)
    assert spool.remove is real
    if later == "claim":
        claims.secure(folders, ready(folders, name=b"other.pdf"))
    else:
        claims.try_out(folders)
    assert note not in os.listdir(folders.work)


# Words -------------------------------------------------------------------------------------------


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_upload_ids(first: float, second: float) -> None:
    """Upload ids are UUIDs of version 7, all different, in the order of their milliseconds."""
    ids = [uuid.UUID(claims.new_upload_id(wall)) for wall in (first, second)]
    assert {(i.version, i.variant) for i in ids} == {(7, uuid.RFC_4122)}
    assert ids[0] != ids[1]
    if abs(first - second) > 0.002:
        assert (ids[0] < ids[1]) is (first < second)


def test_a_claim_says_all_that_is_known() -> None:
    """The row of a claim holds what was seen, where it goes, and the warning of its judgement."""
    found = replace(arrival(journey().stamp, b"\xff.pdf", b"sub"))
    made = claims.begun(found, ORIGIN, NOW)
    assert (made.folder, made.name, made.stamp) == (b"sub", b"\xff.pdf", found.stamp)
    assert (made.queue, made.connection, made.backend) == ("invoices", "acme", "memory")
    assert (made.state, made.claimed_at, made.answer, made.error_source) == (State.CLAIMED, NOW, None, None)


def test_an_unfit_document_is_claimed_with_its_refusal() -> None:
    """What will never be acceptable carries the answer and who gave it from the first row on."""
    answer = Answer(415, "FILE_TYPE_NOT_SUPPORTED", ("no",))
    made = claims.begun(arrival(journey().stamp, verdict=Unfit(answer)), ORIGIN, NOW)
    assert (made.answer, made.error_source, made.media_type) == (answer, ErrorSource.LOCAL, None)


@given(st.binary(min_size=1, max_size=255).filter(lambda n: b"/" not in n and b"\0" not in n))
def test_the_name_in_the_work_folder_tells_whose_it_is(name: bytes) -> None:
    """Without the journal, a name in the work folder still tells upload id and original name."""
    made = journey(name=name)
    in_work = claims.work_name(made)
    assert len(in_work) <= 255
    found = claims.original_name(in_work)
    assert found is not None
    assert found[0] == made.upload_id
    assert found[1] == name or len(name) > 255 - 37


@pytest.mark.parametrize("name", [b"lock", b"", b"a" * 36 + b".x", b"scan.pdf", b"-" * 4 + b"x" * 32])
def test_other_names_in_the_work_folder_are_nobodys(name: bytes) -> None:
    """What does not look like a claimed document is not taken for one."""
    assert claims.original_name(name) is None


# Claiming ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"scan.pdf", b"\xff\n'\";.pdf", b"x" * 255, "😀".encode() * 60])
@pytest.mark.parametrize("folder", [b"", b"sub/\xfe"])
def test_a_claim_moves_and_hashes(name: bytes, folder: bytes, folders: spool.Folders) -> None:
    """A claimed document is in the work folder alone, and its hash is its content's."""
    made = ready(folders, name=name, folder=folder)
    stamp, digest = claims.secure(folders, made)
    assert digest == hashlib.sha256(PDF).hexdigest()
    assert stamp.same_content(made.stamp)
    assert work(folders) == [os.fsdecode(claims.work_name(made))]
    assert names_in(os.path.join(os.fsencode(folders.path), folder)) == []


def test_an_empty_document_can_be_claimed(folders: spool.Folders) -> None:
    """An empty file that has run out of patience is claimed like any other."""
    made = journey()
    stamp = drop(folders, content=b"").stamp
    assert claims.secure(folders, replace(made, stamp=stamp))[1] == hashlib.sha256(b"").hexdigest()


def _gone(path: Path) -> None:
    path.unlink()


def _grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _replaced(path: Path) -> None:
    path.with_name("new").write_bytes(PDF)
    path.with_name("new").rename(path)


def _touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _linked(path: Path) -> None:
    path.rename(path.with_name("target.pdf"))
    path.symlink_to("target.pdf")


def _piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [_grown, _replaced, _touched, _linked, _piped])
def test_a_document_that_changed_comes_back(
    change: Callable[[Path], None], folders: spool.Folders, drop_path: Path
) -> None:
    """What is no longer the file that was judged goes back under its name, and that is no trouble of the disk."""
    made = ready(folders)
    change(drop_path / "scan.pdf")
    before, mode = names_in(drop_path), (drop_path / "scan.pdf").lstat().st_mode
    with pytest.raises(claims.ClaimFailedError) as caught:
        claims.secure(folders, made)
    assert caught.value.came_back
    assert (names_in(drop_path), work(folders)) == (before, [])
    assert stat.S_IFMT((drop_path / "scan.pdf").lstat().st_mode) == stat.S_IFMT(mode)


def test_a_document_with_an_open_writer_comes_back(folders: spool.Folders, drop_path: Path) -> None:
    """A file that is open for writing in the moment of its claim is given back, and its writer goes on."""
    made = ready(folders)
    with (drop_path / "scan.pdf").open("ab") as writer:
        with pytest.raises(claims.ClaimFailedError, match="writer came back") as caught:
            claims.secure(folders, made)
        writer.write(b"the rest")
    assert caught.value.came_back
    assert (drop_path / "scan.pdf").read_bytes() == PDF + b"the rest"
    assert work(folders) == []


@pytest.mark.parametrize("folder", [b"", b"sub"])
def test_a_document_that_is_gone_is_no_trouble(
    folder: bytes, folders: spool.Folders, drop_path: Path
) -> None:
    """A file, or its whole folder, that its owner took away meanwhile is simply not claimed."""
    made = ready(folders, folder=folder)
    (drop_path / os.fsdecode(folder) / "scan.pdf").unlink()
    if folder:
        (drop_path / "sub").rmdir()
    with pytest.raises(claims.ClaimFailedError, match="taken away") as caught:
        claims.secure(folders, made)
    assert not caught.value.came_back


@pytest.mark.parametrize("step", ["open", "fstat", "pread", "has_writer"])
def test_trouble_with_the_disk_gives_the_document_back(
    step: str, folders: spool.Folders, drop_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the disk fails after the move, the document is in the drop folder again."""
    made = ready(folders)

    def failing(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(spool, "open_document", failing)
        else:
            patch.setattr(spool if step == "has_writer" else os, step, failing)
        with pytest.raises((OSError, claims.UnreadableError), match="Input/output"):
            claims.secure(folders, made)
    assert (names_in(drop_path), work(folders)) == ([b"scan.pdf"], [])


def test_a_newcomer_of_the_same_name_is_not_replaced(folders: spool.Folders, drop_path: Path) -> None:
    """A document that goes back finds a free name beside a new file of its own name."""
    made = claimed(folders, journey())
    (drop_path / "scan.pdf").write_bytes(b"the next one")
    name = claims.give_back(folders, made, NOW)
    assert name != b"scan.pdf"
    assert (drop_path / "scan.pdf").read_bytes() == b"the next one"
    assert (drop_path / os.fsdecode(name)).read_bytes() == PDF


def test_a_document_goes_back_to_its_folder_or_to_the_top(folders: spool.Folders, drop_path: Path) -> None:
    """It goes back to the subfolder it came from, and to the top where that is gone."""
    made = claimed(folders, journey(folder=b"sub"))
    claims.give_back(folders, made, NOW)
    assert names_in(drop_path / "sub") == [b"scan.pdf"]
    (drop_path / "sub" / "scan.pdf").unlink()
    made = claimed(folders, journey(folder=b"sub"))
    (drop_path / "sub").rmdir()
    assert claims.give_back(folders, made, NOW) == b"scan.pdf"
    assert names_in(drop_path) == [b"scan.pdf"]


def test_the_longest_name_comes_back_whole(folders: spool.Folders, drop_path: Path) -> None:
    """A name of 255 bytes is shortened in the work folder and whole again in the drop folder."""
    made = claimed(folders, journey(name=b"x" * 251 + b".pdf"))
    assert claims.give_back(folders, made, NOW) == made.name
    assert names_in(drop_path) == [made.name]


# Reading -----------------------------------------------------------------------------------------


@given(size=st.integers(0, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_are_the_document(size: int, folders: spool.Folders) -> None:
    """Without a change, the pieces are the content, none of them empty."""
    content = os.urandom(size)
    made = journey(sha256=hashlib.sha256(content).hexdigest(), stamp=replace(STAMP, size=size))
    put_in_work(folders, made, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "PIECE_BYTES", 8)
        got = list(claims.pieces(folders, made))
    assert b"".join(got) == content
    assert all(got)


CHANGES = st.tuples(
    st.integers(0, 6),
    st.sampled_from(["write", "append", "truncate"]),
    st.integers(0, 47),
    st.binary(min_size=1, max_size=9),
)


@given(size=st.integers(1, 48), changes=st.lists(CHANGES, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_changed_content_is_never_handed_over_to_the_end(
    size: int, changes: list[tuple[int, str, int, bytes]], folders: spool.Folders
) -> None:
    """Whatever is done to the file between two pieces, all pieces are the hashed content, or one is missing."""
    content = bytes(range(1, size + 1))
    made = journey(sha256=hashlib.sha256(content).hexdigest(), stamp=replace(STAMP, size=size))
    put_in_work(folders, made, content)
    got: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "PIECE_BYTES", 8)
        try:
            for number, piece in enumerate(claims.pieces(folders, made)):
                got.append(piece)
                _change(folders, made, [c for c in changes if c[0] == number])
        except ContentChanged:
            assert len(b"".join(got)) < size
        else:
            assert b"".join(got) == content


def _change(folders: spool.Folders, made: Journey, changes: list[tuple[int, str, int, bytes]]) -> None:
    path = os.path.join(os.fsencode(folders.path), spool.WORK_FOLDER, claims.work_name(made))
    with open(path, "r+b") as file:
        for _, how, where, content in changes:
            if how == "truncate":
                file.truncate(where)
            else:
                file.seek(where if how == "write" else 0, os.SEEK_SET if how == "write" else os.SEEK_END)
                file.write(content)


def test_a_document_that_was_changed_before_is_not_begun_to_the_end(folders: spool.Folders) -> None:
    """A document in one piece that is not what was hashed yields nothing at all."""
    made = journey()
    put_in_work(folders, made, PDF[:-1] + b"?")
    with pytest.raises(ContentChanged):
        next(claims.pieces(folders, made))
