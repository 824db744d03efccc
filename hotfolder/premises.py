"""Check what the program stands on: configuration, folders, rights, events, limits, services."""

import os
import resource
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag

from hotfolder import spool
from hotfolder.arrivals import Watch, WatchError
from hotfolder.backends import BACKENDS, open_backend, traits_of
from hotfolder.backends.base import DeliveryError, Finding, Wanted
from hotfolder.certificates import examined
from hotfolder.checks.templates import is_each_its_own
from hotfolder.grounds import Grounds
from hotfolder.journal import JournalError, Reader, library
from hotfolder.model import Ground
from hotfolder.rights import Weight, judged, survey
from hotfolder.settings import Queue, Settings, credentials_in, secret_files

_WORK = os.fsdecode(spool.WORK_FOLDER)
_ROOMY_BYTES = 1 << 30
_SANE_YEAR_S = 1_767_225_600
"""2026-01-01: a clock before the program was written is wrong."""
_EVENT_WITHIN_S = 2.0
_FILES_EACH, _FILES_ALWAYS = 4, 64
"""Descriptors: drop and work folder, lock and an archive for each queue; sockets, threads and journal besides."""


def examine_all(settings: Settings, environ: Mapping[str, str], *, online: bool) -> Iterator[Finding]:
    """Check everything that can be checked before the first document; yields good and bad findings."""
    yield Finding(
        True,
        f"configuration {settings.source}: queues {len(settings.queues)}, connections {len(settings.connections)}",
    )
    yield from _credentials(settings, environ)
    yield _clock(time.time())
    yield from _limits(len(settings.queues))
    yield Finding(True, library())
    yield from _state(settings.state_dir)
    known = _known_grounds(settings.state_dir)
    told: set[str] = set()
    for queue in settings.queues.values():
        yield from _queue(queue, Grounds(queue.name, known))
        yield from _rights(settings, queue, told)
    proxies = sorted(k for k in environ if k.lower() in {"http_proxy", "https_proxy", "all_proxy"})
    if proxies:
        yield Finding(True, f"requests go through the proxy of {', '.join(proxies)}")
    if settings.http is not None:
        yield from examined(settings.http)
    for queue in settings.queues.values():
        yield from _not_taken(settings, queue)
        yield from _singly(settings, queue)
    if online:
        for name in settings.connections:
            yield from _service(settings, name)


def _credentials(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Say what cannot be looked at from here: systemd hands it to the service alone."""
    names = sorted(credentials_in(settings))
    if names and "CREDENTIALS_DIRECTORY" not in environ:
        units = ", ".join(f"LoadCredential={name}:…" for name in names)
        yield Finding(True, f"not looked at, since systemd hands it to the service alone: {units}")


def _clock(now: float) -> Finding:
    sane = now > _SANE_YEAR_S
    return Finding(
        sane,
        "the clock is plausible" if sane else "the clock is years behind; set it, or start a time service",
    )


def _limits(folders: int) -> Iterator[Finding]:
    """Compare the system's limits with what so many folders need; what cannot be read is not complained about."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_EACH * folders + _FILES_ALWAYS
    advice = "" if open_files >= needed else f"; {needed} are needed, raise LimitNOFILE= or ulimit -n"
    yield Finding(open_files >= needed, f"limit: {open_files} open files{advice}")
    for name, least in (
        ("max_user_instances", 1),
        ("max_user_watches", folders),
        ("max_queued_events", 1024),
    ):
        with suppress(OSError, ValueError):
            found = int(Path("/proc/sys/fs/inotify", name).read_text(encoding="ascii"))
            advice = "" if found >= least else f"; at least {least} are needed (sysctl)"
            yield Finding(found >= least, f"limit: fs.inotify.{name} is {found}{advice}")


def _state(state_dir: Path) -> Iterator[Finding]:
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        probe = state_dir / f".check-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        yield Finding(
            False,
            f"state_dir {state_dir}: {problem.strerror}; the service's user must be able to write there",
        )
        return
    yield _space("state_dir", str(state_dir))


def _space(what: str, path: str) -> Finding:
    free = os.statvfs(path)
    left = free.f_bavail * free.f_frsize
    return Finding(left >= _ROOMY_BYTES, f"{what} {path}: {left / 1e9:.1f} GB free")


def _known_grounds(state_dir: Path) -> dict[str, Ground]:
    """Return what the folders stood on when a daemon last used them: nothing must be made on a bare mount point."""
    try:
        reader = Reader(state_dir)
    except JournalError:
        return {}
    try:
        return reader.grounds()
    finally:
        reader.close()


def _queue(queue: Queue, grounds: Grounds) -> Iterator[Finding]:
    where = f"queue {queue.name}: {queue.folder}"
    try:
        folders = spool.Folders(str(queue.folder), grounds.stand)
    except OSError as problem:
        if str(queue.folder) in str(problem.strerror):  # it says itself what to do
            yield Finding(False, f"queue {queue.name}: {problem.strerror}")
            return
        yield Finding(
            False,
            f"{where}: {problem.strerror}; make it (hotfolder init, install -d) and let the service's user write there",
        )
        return
    try:
        yield _space(f"queue {queue.name}", str(queue.folder))
        yield _private(queue, folders)
        yield _rename(where, folders)
        yield _events(where, folders, queue.poll)
        for archive in (queue.done, queue.failed):
            yield _archive(where, folders, str(archive))
    finally:
        folders.close()


def _rights(settings: Settings, queue: Queue, told: set[str]) -> Iterator[Finding]:
    """Say who may drop, and whoever may do more than that; what holds for several queues is told once."""
    own = [Path(os.path.realpath(one)) for one in (queue.folder / _WORK, queue.done, queue.failed)]
    holding = sorted(secret_files(settings, settings.source))
    try:
        site = survey(Path(os.path.realpath(queue.folder)), own, holding, settings.state_dir)
    except OSError:  # the folder cannot be looked at, which was said already
        return
    for one in judged(site):
        if str(one) not in told:
            told.add(str(one))
            text = f"queue {queue.name}: {one}"
            yield Finding(one.weight is not Weight.BAD, text, is_note=one.weight is Weight.NOTE)


def _private(queue: Queue, folders: spool.Folders) -> Finding:
    status = os.fstat(folders.work)
    fine = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    advice = (
        "is ours alone"
        if fine
        else f"must belong to the service's user: chown it and chmod 700 {queue.folder}/.hotfolder"
    )
    return Finding(fine, f"queue {queue.name}: the work folder {advice}")


def _rename(where: str, folders: spool.Folders) -> Finding:
    name = f".hotfolder-check-{secrets.token_hex(4)}".encode()
    try:
        spool.write_new(name, b"", folders.drop, name + b".tmp")
        spool.move(name, folders.drop, name, folders.work)
        spool.remove(name, folders.work)
    except OSError as problem:
        spool.remove(name, folders.drop)
        return Finding(False, f"{where}: a file cannot be moved into .hotfolder/: {problem.strerror}")
    return Finding(
        True, f"{where}: files can be claimed by renaming ({folders.fs_type or 'unknown file system'})"
    )


def _events(where: str, folders: spool.Folders, poll: str) -> Finding:
    if poll == "always":
        return Finding(True, f"{where}: polled, as `poll: always` says")
    arrived = Flag()
    name = f".hotfolder-check-{secrets.token_hex(4)}".encode()
    try:
        watch = Watch()
    except WatchError as problem:
        return Finding(poll == "auto", f"{where}: {problem}; the folder will be polled")
    try:
        watch.add(os.fsencode(folders.path), b"", lambda hint: arrived.set() if hint.name == name else None)
        spool.touch(name, folders.drop)
        heard = arrived.wait(_EVENT_WITHIN_S)
    except (WatchError, OSError) as problem:
        return Finding(poll == "auto", f"{where}: {problem}; the folder will be polled")
    finally:
        watch.close()
    if heard:
        return Finding(True, f"{where}: the kernel reports what lands there")
    return Finding(poll == "auto", f"{where}: no events arrive; the folder will be polled")


def _archive(where: str, folders: spool.Folders, path: str) -> Finding:
    name = f".hotfolder-check-{secrets.token_hex(4)}".encode()
    try:
        with folders.archive(path, b"") as target:
            spool.write_new(name, b"", target, name + b".tmp")
            spool.remove(name, target)
            apart = os.fstat(target).st_dev != folders.identity[0]
    except OSError as problem:
        return Finding(False, f"{where}: {path} cannot be written: {problem.strerror}")
    return Finding(
        True,
        f"{where}: {path} can be written" + (" (another file system: documents are copied)" if apart else ""),
    )


def _not_taken(settings: Settings, queue: Queue) -> Iterator[Finding]:
    """Say which settings of a queue go nowhere: they are not wrong, its connection may change."""
    given = {
        "metadata": queue.metadata,
        "values": queue.values,
        "document_class": queue.document_class,
        "reject_identical": queue.reject_identical,
    }
    traits = traits_of(settings.connections[queue.connection])
    for key in (key for key, value in given.items() if value and key not in traits.takes):
        yield Finding(True, f"queue {queue.name}: `{key}` is not sent, {traits.name} has no place for it")


def _singly(settings: Settings, queue: Queue) -> Iterator[Finding]:
    """Say why the documents of a batch do not share requests although their service would take several."""
    connection = settings.connections[queue.connection]
    able = BACKENDS[connection.backend].traits.files_per_request > 1
    upload = connection.upload
    reasons = {
        f"`upload.encoding: {upload.encoding}`": traits_of(connection).files_per_request == 1,
        "`upload.document_id_paths`": upload.document_id_paths,
        f"`on_error: {queue.on_error}`": queue.on_error != "continue",
        "`metadata` that differ from document to document": is_each_its_own(queue.metadata),
        "`values` that differ from document to document": is_each_its_own(queue.values),
        "`upload.fields` that differ from document to document": is_each_its_own(upload.fields),
        "the `{name}` in `upload.path`": "{name}" in (upload.path or ""),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if queue.mode == "batch" and able and found:
        because = " and ".join(found)
        yield Finding(
            True, f"queue {queue.name}: with {because} each document of a batch is a request of its own"
        )


def _wanted(settings: Settings, queue: Queue) -> Wanted:
    queue_id, _ = settings.service_queue(queue)
    return Wanted(queue_id or "", queue.types, queue.metadata, queue.values)


def _service(settings: Settings, name: str) -> Iterator[Finding]:
    connection = settings.connections[name]
    queues = [q for q in settings.queues.values() if q.connection == name]
    ids = tuple(dict.fromkeys(one for queue in queues for one in settings.service_ids(queue)))
    backend = open_backend(settings.limited(connection))
    try:
        yield Finding(True, f"connection {name}: {connection.backend} at {connection.base_url}")
        for finding in backend.check(ids):
            yield Finding(finding.ok, f"connection {name}: {finding.text}")
        for queue in queues:
            for finding in backend.check_wanted(_wanted(settings, queue)):
                yield Finding(finding.ok, f"queue {queue.name}: {finding.text}")
    except DeliveryError as problem:
        yield Finding(False, f"connection {name}: {problem}")
    finally:
        backend.close()
    largest = traits_of(connection).max_bytes
    for queue in queues:
        limit = queue.max_size.in_bytes(largest)
        if limit is not None and largest is not None and limit > largest:
            yield Finding(
                False, f"queue {queue.name}: `max_size` is above the service's limit of {largest} bytes"
            )
