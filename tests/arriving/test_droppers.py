"""What an account that may drop cannot do, tried through every server of docs/scanners.md and on the machine itself."""

from pathlib import Path

import pytest

from tests.arriving import attacks
from tests.arriving.office import Office


@pytest.mark.parametrize(("victim", "attacker"), [("anna", "bert"), ("scanner1", "scanner2")])
def test_through_samba(victim: str, attacker: str, staffed: Office, tmp_path: Path) -> None:
    """Others' documents are neither seen, read, changed nor removed; done/, failed/ and .hotfolder/ stay as they are."""
    attacks.through_samba(victim, attacker, staffed, tmp_path)


@pytest.mark.parametrize("server", ["vsftpd", "proftpd"])
def test_through_ftp(server: str, staffed: Office, tmp_path: Path) -> None:
    """An account is locked into its folder, where nothing can be read back, and no other account is let in."""
    attacks.through_ftp(server, staffed, tmp_path)


def test_through_sftp(staffed: Office, tmp_path: Path) -> None:
    """The kernel refuses what is not the account's own, and there is nothing outside of the jail and no shell."""
    attacks.through_sftp(staffed, tmp_path)


def test_on_the_machine_itself(staffed: Office, tmp_path: Path) -> None:
    """An account with a shell gets no further, and reads neither passwords nor the journal."""
    attacks.on_the_machine_itself(staffed, tmp_path)
