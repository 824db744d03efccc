"""What `hotfolder check` says of real folders and accounts, and that the commands it names mend them."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.rights import Weight, judged, survey
from tests.arriving.documented import commands
from tests.arriving.office import Office, office

FINE = "who drops into /srv/hotfolder/invoices cannot read what others drop"
DROP, DONE = "/srv/hotfolder/invoices", "/srv/hotfolder/invoices/done"


@pytest.fixture(scope="module")
def premises() -> Iterator[Office]:
    """An office without servers, whose configuration names a secret in a file."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-rights-", ignore_cleanup_errors=True) as top:
        os.chmod(top, 0o711)
        with office(Path(top), ()) as made:
            text = made.land.run("cat", "/etc/hotfolder/config.yaml").stdout
            named = text.replace("token: sandbox-service-token", "token: {file: token}")
            made.land.write("/etc/hotfolder/config.yaml", named, 0o640)
            made.land.write("/etc/hotfolder/token", "sandbox-service-token", 0o640)
            made.land.shell("chown root:hotfolder /etc/hotfolder/*")
            assert made.hotfolder("check").returncode == 0
            yield made


@pytest.fixture
def mended(premises: Office) -> Iterator[Office]:
    """The office as the page says, before the test and after it."""
    yield premises
    premises.land.shell(
        "gpasswd -d anna hotfolder || true; gpasswd -d hotfolder hotfolder-drop || true\n"
        f"setfacl -b -k {DROP} /etc/hotfolder /srv/hotfolder {DONE}\n"
        "chown hotfolder:hotfolder /var/lib/hotfolder && chmod 0750 /var/lib/hotfolder\n"
        "chown root:hotfolder /etc/hotfolder /etc/hotfolder/* && chmod 0750 /etc/hotfolder\n"
        "chmod 0640 /etc/hotfolder/*\n"
        f"chown hotfolder:hotfolder {DONE} && chmod 2770 {DONE}\n{commands('folders')}"
    )


def test_the_page_is_what_check_asks_for(premises: Office) -> None:
    """The commands of docs/scanners.md leave nothing to complain about, and those who may drop are named."""
    done = premises.hotfolder("check")
    assert done.returncode == 0
    assert "takes documents of: group hotfolder-drop (anna, bert, scanner1, scanner2)" in done.stdout
    assert FINE in done.stdout
    assert "note" not in done.stdout


@pytest.mark.parametrize(
    ("harm", "mark", "said"),
    [
        (f"chmod 2770 {DROP}", "note", "may remove what others dropped"),
        (f"setfacl -k {DROP}", "note", "can be read by group hotfolder-drop"),
        (f"chmod 3777 {DROP}", "note", "everybody on this machine may write"),
        (f"chown anna {DROP}", "note", "belongs to user anna"),
        (f"chown root {DROP}", "BAD ", "hotfolder cannot move what others drop"),
        (f"setfacl -m g:hotfolder-drop:rx {DONE}", "note", f"may read what lies in {DONE}"),
        (f"chmod o+rwx {DONE}", "BAD ", f"may change what lies in {DONE}"),
        (f"chgrp hotfolder-drop {DONE}", "BAD ", f"may change what lies in {DONE}"),
        ("chmod 0777 /srv/hotfolder", "BAD ", "may rename or remove /srv/hotfolder/invoices"),
        ("chmod 0750 /srv/hotfolder", "note", "cannot pass /srv/hotfolder"),
        (
            "chmod o+x /etc/hotfolder; chgrp hotfolder-drop /etc/hotfolder/token; usermod -aG hotfolder-drop hotfolder",
            "BAD ",
            "may read the secrets in /etc/hotfolder/token",
        ),
        ("usermod -aG hotfolder anna", "note", "user anna is in the group hotfolder"),
        ("chmod o+rx /var/lib/hotfolder", "note", "may read the journal"),
    ],
)
def test_each_deviation_is_found_and_its_command_mends_it(
    harm: str, mark: str, said: str, mended: Office
) -> None:
    """What was changed is told with a command, and after that command it is told no more."""
    mended.land.shell(harm)
    told = mended.hotfolder("check")
    found = re.findall(rf"(?m)^{mark} .*{re.escape(said)}.*; run: (.*)$", told.stdout)
    assert found, told.stdout
    assert (told.returncode == 1) == ("BAD " in told.stdout)
    mended.land.shell(found[0])
    again = mended.hotfolder("check")
    assert said not in again.stdout
    assert again.returncode == 0


def test_who_looks_sees_his_own_folder(tmp_path: Path) -> None:
    """Without any account or group made for it, a folder of one's own has nothing to complain about."""
    (tmp_path / "q").mkdir(mode=0o750)
    told = list(judged(survey(tmp_path / "q", [tmp_path / "none"], [tmp_path / "none"], tmp_path / "none")))
    assert [one.weight for one in told] == [Weight.FINE]
