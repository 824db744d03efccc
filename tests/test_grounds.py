"""Remembering what folders stand on."""

import os
from pathlib import Path

import pytest

from hotfolder import spool
from hotfolder.grounds import Grounds, NotMountedError
from hotfolder.journal import Journal
from hotfolder.model import Ground


def elsewhere(path: Path) -> Ground:
    """Make a ground that is mounted at the path itself, as if it had been."""
    return Ground(str(path), "cifs", 1, 1)


def test_a_folder_is_remembered_in_the_journal(tmp_path: Path, journal: Journal) -> None:
    """Mount point, type and numbers of the folder that is open."""
    grounds = Grounds("q", {}, lambda p, g: journal.note_ground(p, g).result(), journal.forget_ground)
    spool.Folders(str(tmp_path), grounds.stand).close()
    status = tmp_path.stat()
    found = journal.reader.grounds()[str(tmp_path)]
    assert (found.dev, found.ino) == (status.st_dev, status.st_ino)
    assert found.fs_type


def test_nothing_is_made_on_a_bare_mount_point_until_it_is_accepted(tmp_path: Path) -> None:
    """No work folder; and once somebody accepts it as it is, it is used."""
    known = {str(tmp_path): elsewhere(tmp_path)}
    grounds = Grounds("q", known)
    with pytest.raises(NotMountedError, match="hotfolder resume q"):
        spool.Folders(str(tmp_path), grounds.stand)
    assert os.listdir(tmp_path) == []
    grounds.accept([str(tmp_path)])
    spool.Folders(str(tmp_path), grounds.stand).close()
    assert os.listdir(tmp_path) == [".hotfolder"]


@pytest.mark.parametrize("inside", [True, False])
def test_no_archive_is_made_on_a_bare_mount_point(tmp_path: Path, *, inside: bool) -> None:
    """Neither below the drop folder nor elsewhere; what is there already is refused, too."""
    drop = tmp_path / "drop"
    bare = (drop if inside else tmp_path) / "bare"
    drop.mkdir()
    bare.mkdir()
    archive = bare / "done"
    grounds = Grounds("q", {str(archive): elsewhere(bare)})
    folders = spool.Folders(str(drop), grounds.stand)
    with pytest.raises(NotMountedError), folders.archive(str(archive), b"sub"):
        pass
    assert os.listdir(bare) == []
    archive.mkdir()
    with pytest.raises(NotMountedError), folders.archive(str(archive), b"sub"):
        pass
    assert os.listdir(archive) == []
    folders.close()
