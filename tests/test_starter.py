"""What `hotfolder init` makes, for people and for the service."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from hotfolder.settings import load_settings
from hotfolder.starter import prepare
from tests.arriving.office import office


def test_what_is_made_can_be_used_at_once(tmp_path: Path) -> None:
    """The configuration is valid, its password is private, its folder exists; a second time nothing is overwritten."""
    told = list(prepare(tmp_path / "first"))
    settings = load_settings(tmp_path / "first" / "config.yaml", {})
    (queue,) = settings.queues.values()
    assert queue.folder.is_dir()
    assert stat.S_IMODE((tmp_path / "first" / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(queue.folder.stat().st_mode) == 0o750 & ~_umask()
    assert told[-1].startswith("next: hotfolder check -c")
    with pytest.raises(FileExistsError):
        list(prepare(tmp_path / "first"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_root_makes_is_the_services(tmp_path: Path) -> None:
    """Where the service has an account, `init` of root's makes folders with the rights of the model, and secrets for it."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-init-", ignore_cleanup_errors=True) as top:
        os.chmod(top, 0o711)
        with office(Path(top), ()) as place:
            done = place.hotfolder("init", "/srv/fresh")
            assert done.returncode == 0, done.stderr
            assert "it takes documents of members of the group hotfolder-drop" in done.stdout
            assert "belong to the service's user, hotfolder" in done.stdout
            checked = place.hotfolder("-c", "/srv/fresh/config.yaml", "check")
            assert checked.returncode == 0, checked.stdout
            assert "root goes on as the service's user, hotfolder" in checked.stderr
            assert "note" not in checked.stdout
            assert "cannot read what others drop" in checked.stdout
            once = place.hotfolder("-c", "/srv/fresh/config.yaml", "once")
            assert once.returncode == 0, once.stderr
            roots = place.land.run(
                "find", "/srv/fresh/state", "/srv/fresh/drop/invoices", "-user", "root"
            ).stdout
            assert roots == ""
            refused = place.land.run(
                "setpriv",
                "--reuid=anna",
                "--regid=anna",
                "--init-groups",
                "cat",
                "/srv/fresh/password",
                check=False,
            )
            assert "Permission denied" in refused.stderr
