"""Write the first configuration, and make the folders that it names."""

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hotfolder import spool
from hotfolder.identity import ROOT, SERVICE_USER
from hotfolder.rights import lay

STARTER = """\
# yaml-language-server: $schema=config.schema.json
# Configuration of hotfolder. Change what is marked with <-, then run: hotfolder check -c {path}
# Every key and its default: config.example.yaml of the project, or `hotfolder schema config`.

state_dir: {state}
root: {root}

connections:
  sandbox:                                    # <- your account at the service
    backend: digitoo                          # <- rossum, digitoo or docdigitizer
    base_url: http://127.0.0.1:8650/digitoo   # <- https://api.digitoo.ai; this one is `hotfolder sandbox`
    email: scanner@sandbox.example            # <-
    password: {{file: {password}}}

queues:
  invoices:                                   # its drop folder: {root}/invoices
    connection: sandbox
    queue_id: q7                              # <- the service's id of the queue
"""

_READABLE_BY_GROUP = 0o640


def prepare(directory: Path) -> Iterator[str]:
    """Write a configuration and the folders it names; yields what was made. Raises OSError, overwrites nothing.

    What root makes is for the service's user, where the system has one.
    """
    top = directory.absolute()
    top.mkdir(parents=True, exist_ok=True)
    config, password, drop, state = (top / n for n in ("config.yaml", "password", "drop", "state"))
    if config.exists():
        raise FileExistsError(errno.EEXIST, "exists already", str(config))
    service = _service()
    if not password.exists():
        _write_private(password, "sandbox-password\n", service)
        yield f"{password}: the password, readable by {'the service' if service else 'its owner'} only; write yours into it"
    with suppress(FileExistsError):
        state.mkdir(mode=0o700)
        if service:
            os.chown(state, service.pw_uid, service.pw_gid)
    yield f"{state}: the journal will lie here"
    drop.mkdir(mode=0o755 if service else 0o750, exist_ok=True)
    yield f"{drop / 'invoices'}: the drop folder of the queue `invoices`{_drop_folder(drop / 'invoices', service)}"
    text = STARTER.format(path=config, state=state, root=drop, password=password)
    config.write_text(text, encoding="utf-8")
    yield f"{config}: the configuration"
    if service:
        yield f"state and drop folder belong to the service's user, {SERVICE_USER}"
    elif os.geteuid() == ROOT:
        yield f"all of it belongs to root: there is no user {SERVICE_USER}, so the service would have to run as root"
    yield f"next: hotfolder check -c {config}"


def _service() -> pwd.struct_passwd | None:
    """Return the service's account where root makes things for it."""
    if os.geteuid() != ROOT:
        return None
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None


def _drop_folder(path: Path, service: pwd.struct_passwd | None) -> str:
    """Make a drop folder where there is none; returns who may drop into it, if that was decided here."""
    if service is None:
        path.mkdir(mode=0o750, exist_ok=True)
        spool.Folders(str(path)).close()
        return ""
    try:
        return f"; it takes documents of {lay(path, service.pw_uid, service.pw_gid)}"
    except FileExistsError:
        return ""


def _write_private(path: Path, text: str, service: pwd.struct_passwd | None) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        if service:
            os.fchown(file.fileno(), ROOT, service.pw_gid)
            os.fchmod(file.fileno(), _READABLE_BY_GROUP)
