"""What an account that may drop tries through every server of docs/scanners.md and on the machine itself, in vain."""

import ftplib
import hashlib
import io
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.arriving import explorer, smb, ssh
from tests.arriving.office import DROP, Office, desk
from tests.arriving.room import Spot
from tests.arriving.servers import LOOPBACK
from tests.e2e.harness import wait_for
from tests.tools import need

SECRET = b"%PDF-1.4 the salary of the director is nobody's business "
"""The beginning of a document, which is never taken: it waits for its end."""


def left_by(staffed: Office, server: str, user: str, scratch: Path) -> Spot:
    """Let somebody leave half a document, which then lies there."""
    spot = desk(staffed, server, user, f"secret-{server}-{user}.pdf", scratch)
    spot.path.write_bytes(SECRET)
    inside = "/srv" / spot.path.relative_to(staffed.land.outside("/srv"))
    owner = "hotfolder" if server in {"vsftpd", "proftpd"} or user.startswith("scanner") else user
    staffed.land.run("chown", f"{owner}:hotfolder", inside)
    staffed.land.run("chmod", "0660", inside)
    return spot


def tree(staffed: Office, leave_out: Iterable[str] = ()) -> dict[str, tuple[int, int, str]]:
    """Return everything in the drop folder: owner, mode and content by its path, without the service's own changes."""
    top = staffed.land.outside(DROP)
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if path.name not in {*leave_out, "lock", "run"}:
            found[str(path.relative_to(top))] = (status.st_uid, status.st_mode, content)
    return found


def smb_attempts(spot: Spot, victim: str, others: str) -> str:
    """Try everything in connections of its own, and return what smbclient said."""
    said = ""
    for words in (
        ("ls", "recurse", "ls"),
        (f"get {victim} {spot.scratch}/taken1",),
        (
            f"get ../{others}/{victim} {spot.scratch}/taken2",
            f"get ..\\{others}\\{victim} {spot.scratch}/taken3",
        ),
        (f"del {victim}",),
        (f"rename {victim} mine.pdf",),
        (f"put {spot.file(b'forged')} {victim}",),
        ("cd done", "ls", f"put {spot.file(b'forged')} forged.pdf.json"),
        ("rename done away", "rename failed away", "rename .hotfolder away"),
        ("rmdir done", "rmdir .hotfolder", f"put {spot.file(b'forged')} .hotfolder/forged"),
        (f"symlink done {victim}.link", f"link {victim} taken4"),
    ):
        done = subprocess.run(
            smb.command(spot, *words), capture_output=True, timeout=60, check=False, cwd=spot.scratch
        )
        said += (done.stdout + done.stderr).decode(errors="replace")
    return said


def through_samba(victim: str, attacker: str, staffed: Office, tmp_path: Path) -> None:
    """Others' documents are neither seen, read, changed nor removed; done/, failed/ and .hotfolder/ stay as they are."""
    secret = left_by(staffed, "samba", victim, tmp_path)
    before = tree(staffed)
    spot = desk(staffed, "samba", attacker, "forged.pdf", tmp_path)
    shown = explorer.folder_listed(spot)
    said = smb_attempts(spot, secret.name, victim)
    assert secret.name not in shown
    assert not {"done", "failed", ".hotfolder"} & set(shown)
    assert "DENIED" in said or "NOT_FOUND" in said
    unchanged(staffed, before, secret, tmp_path)


def unchanged(staffed: Office, before: dict[str, tuple[int, int, str]], secret: Spot, scratch: Path) -> None:
    """Nothing that was there is different, and nothing of the secret has come out."""
    after = tree(staffed)
    top = str(secret.path.relative_to(staffed.land.outside(DROP)))
    assert {path: after.get(path) for path in before} == before
    assert secret.path.read_bytes() == SECRET
    assert top in before
    assert not [path for path in scratch.iterdir() if path.is_file() and SECRET in path.read_bytes()]
    for path in after.keys() - before.keys():  # an own folder may be given a file of any name
        assert not path.startswith(("done/", "failed/", ".hotfolder/")), path
    clear(staffed, [staffed.land.outside(DROP) / path for path in [*(after.keys() - before.keys()), top]])


def clear(staffed: Office, paths: Iterable[Path]) -> None:
    """Remove what a test has left."""
    for path in paths:
        staffed.land.run("rm", "-rf", "/srv" / path.relative_to(staffed.land.outside("/srv")))


def ftp_attempt(client: ftplib.FTP, what: Callable[[], object]) -> str:
    """Try something, and return what the server said."""
    try:
        return str(what())
    except ftplib.all_errors as refusal:
        return str(refusal)


def through_ftp(server: str, staffed: Office, tmp_path: Path) -> None:
    """An account is locked into its folder, where nothing can be read back, and no other account is let in."""
    secret = left_by(staffed, server, "scanner1", tmp_path)
    own = left_by(staffed, server, "scanner2", tmp_path)
    before = tree(staffed)
    taken = io.BytesIO()
    with ftplib.FTP() as client:
        client.connect(LOOPBACK, staffed.ports[server], timeout=30)
        client.login("scanner2", "pw-scanner2")
        for name in (
            own.name,
            f"../scanner1/{secret.name}",
            f"/srv/hotfolder/invoices/scanner1/{secret.name}",
        ):
            assert (
                ftp_attempt(client, lambda name=name: client.retrbinary(f"RETR {name}", taken.write))[0]
                == "5"
            )
        for words in ("CWD ..", "CWD ../..", "CWD /srv", "CWD ../done", "CDUP"):
            ftp_attempt(client, lambda words=words: client.sendcmd(words))
            assert client.pwd() in {"/", ".."}
        for words in (
            f"DELE ../scanner1/{secret.name}",
            f"SITE CHMOD 777 {own.name}",
            "RMD ../done",
            "MKD ../x",
        ):
            ftp_attempt(client, lambda words=words: client.sendcmd(words))
        for there in ("../done", "../.hotfolder", "../scanner1", f"../scanner1/{secret.name}"):
            ftp_attempt(client, lambda there=there: client.rename(there, "mine"))
            listed = ftp_attempt(client, lambda there=there: client.nlst(there))
            assert listed[:1] in {"4", "5"} or secret.name not in listed
    assert taken.getvalue() == b""
    for name in ("hotfolder", "root", "nobody", "anonymous"):
        with ftplib.FTP() as client:
            client.connect(LOOPBACK, staffed.ports[server], timeout=30)
            assert ftp_attempt(client, lambda name=name: client.login(name, "pw-scanner1"))[0] == "5"
    assert own.path.read_bytes() == SECRET
    clear(staffed, [own.path])
    before.pop(str(own.path.relative_to(staffed.land.outside(DROP))))
    unchanged(staffed, before, secret, tmp_path)


def through_sftp(staffed: Office, tmp_path: Path) -> None:
    """The kernel refuses what is not the account's own, and there is nothing outside of the jail and no shell."""
    secret = left_by(staffed, "sshd", "anna", tmp_path)
    before = tree(staffed)
    spot = desk(staffed, "sshd", "bert", "forged.pdf", tmp_path)
    words = [
        f"-get {secret.remote} {tmp_path}/taken",
        f"-rm {secret.remote}",
        f"-rename {secret.remote} mine.pdf",
        f"-rename -l {secret.remote} mine.pdf",
        f"-ln {secret.remote} mine.pdf",
        f"-put {spot.file(b'forged')} {secret.remote}",
        f"-chmod 777 {secret.remote}",
        "-ls done",
        "-rename done away",
        "-rename .hotfolder away",
        "-rmdir failed",
        f"-put {spot.file(b'forged')} done/forged.pdf.json",
        f"-put {spot.file(b'forged')} .hotfolder/forged",
        "-chmod 777 .",
        "-mkdir /other",
        f"-get /invoices/../../../etc/shadow {tmp_path}/shadow",
        f"-get /etc/hotfolder/config.yaml {tmp_path}/config",
    ]
    ssh.sftp(spot, *words)
    assert not (tmp_path / "shadow").exists()
    assert not (tmp_path / "config").exists()
    shell = [need("ssh", "openssh-client"), "-p", str(staffed.ports["sshd"]), *spot.room.servers.ssh]
    done = subprocess.run(
        [*shell, spot.room.servers.host, "id"], capture_output=True, timeout=60, check=False
    )
    assert b"uid=" not in done.stdout
    unchanged(staffed, before, secret, tmp_path)


def on_the_machine_itself(staffed: Office, tmp_path: Path) -> None:
    """An account with a shell gets no further, and reads neither passwords nor the journal."""
    secret = left_by(staffed, "sshd", "anna", tmp_path)
    before = tree(staffed)
    script = f"""
        cd {DROP}
        cat {secret.name}; rm -f {secret.name}; mv {secret.name} mine; ln {secret.name} mine; echo x >> {secret.name}
        ls done; ls .hotfolder; mv done away; mv .hotfolder away; rm -rf failed; echo x > done/x; chmod 777 .
        mv {DROP} /srv/hotfolder/away; ls /srv/hotfolder; cat /etc/hotfolder/*; ls /var/lib/hotfolder
        umask 000; echo '{SECRET.decode().replace("'", "")}' > umask.pdf; mkdir umask.folder
    """
    line = ("setpriv", "--reuid=bert", "--regid=bert", "--init-groups", "sh", "-c", script)
    done = staffed.land.run(*line, check=False)
    assert "salary" not in done.stdout
    assert done.stdout.strip() == ""
    new = staffed.land.outside(DROP / "umask.pdf")
    assert new.stat().st_mode & 0o777 == 0o660
    folder = staffed.land.outside(DROP / "umask.folder")
    assert folder.stat().st_mode & 0o777 == 0o770
    wait_for(lambda: "waiting" in staffed.why(new)["state"], 30, "it is seen")
    unchanged(staffed, before, secret, tmp_path)
