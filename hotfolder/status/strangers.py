"""What a path is that is no document: a folder, a record, a report, what came with a document, or nothing."""

import os
from collections import Counter
from contextlib import suppress

from hotfolder import batches, results
from hotfolder.attendants import taken_apart
from hotfolder.checks.names import printable
from hotfolder.claims import original_name
from hotfolder.filing import sidecar_name
from hotfolder.settings import Settings
from hotfolder.sidecar import read
from hotfolder.status.places import place_of, resolved, tops_of

_FOLDERS = {
    "drop": "it is the drop folder of queue {}",
    "work": "it is the service's own: the folder of the documents that queue {} is delivering",
    "done": "it is the folder of the delivered documents of queue {}",
    "failed": "it is the folder of the failed documents of queue {}",
}


def unexplained(settings: Settings, path: bytes) -> str:
    """Say what an absolute path is that `place_of` or `explain` knew nothing of."""
    tops = tops_of(settings)
    found = tops.get(resolved(path))
    if found is not None:
        return _FOLDERS[found[1]].format(found[0].name)
    place = place_of(settings, path)
    if place is None:
        return "it lies in no folder of any queue"
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        if batches.is_report(place.name):
            return "there is no such file; the report of a batch goes when `retain` lets it go, or when somebody takes it"
        return "there is no such file, and there never was one"
    except OSError as problem:
        return f"it cannot be looked at: {problem.strerror}; ask as the service's user"
    if place.area == "work":
        return _in_work(place.name)
    if os.path.isdir(path):
        return f"it is a folder; ask about the documents in it (queue {place.queue.name})"
    return _beside(path, place.name)


def _in_work(name: bytes) -> str:
    if taken_apart(name) is not None:
        return "it came with a document that the journal does not know; a start of the daemon puts it back"
    if results.taken_apart(name) is not None:
        return "it was found in a document that is under way, and is filed beside it"
    if original_name(name) is None:
        return "it is the service's own"
    return "it is a document that the journal does not know; the daemon puts it back into the drop folder when it starts"


def _beside(path: bytes, name: bytes) -> str:
    """Say whether a file of an archive is a sidecar, or lies there for a document; both may need a look at all names."""
    if batches.is_report(name):
        return _report(path)
    with suppress(OSError):
        found = _owner_of(os.path.dirname(path), name)
        if found is not None:
            return f"it came with {printable(found)}, and rests beside it"
    folder, usual = os.path.dirname(path), name.removesuffix(b".json")
    if usual != name:
        with suppress(OSError):
            names = [usual] if os.path.lexists(os.path.join(folder, usual)) else os.listdir(folder)
            for other in names:
                if other != name and sidecar_name(other) == name:
                    return f"it is the record beside {printable(other)}"
    return "there is no record beside it, so it was not filed by the service"


def _report(path: bytes) -> str:
    """Say what the report of a batch tells."""
    try:
        with open(path, "rb") as file:
            report = batches.read(file.read(batches.REPORT_BYTES))
    except OSError as problem:
        return f"it is named like the report of a batch, and cannot be read: {problem.strerror}"
    except ValueError:
        return "it is named like the report of a batch, and is none"
    numbers = Counter(file.outcome for file in report.files)
    said = ", ".join(f"{number} {outcome}" for outcome, number in numbers.items())
    return f"it is the report of a batch of queue {report.queue} that ended at {report.ended}: {said}"


def _owner_of(folder: bytes, name: bytes) -> bytes | None:
    """Return the name of the document beside which a further file rests in an archive; raises OSError."""
    for other in os.listdir(folder):
        if other.endswith(b".json"):
            with suppress(OSError, ValueError):
                with open(os.path.join(folder, other), "rb") as file:
                    record = read(file.read(1 << 20))
                if printable(name) in (record.beside or ()):
                    return other.removesuffix(b".json")
    return None
