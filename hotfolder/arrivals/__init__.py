"""Notice what lands in a drop folder: the kernel's events are hints, the own scan is the truth.

`watch` listens to the kernel, `scan` looks at the folder and at single files, `reach` notices a folder that
does not answer, and `inbox` keeps what is known of every entry and says which documents are ready.
"""

from hotfolder.arrivals.drop import DropFolder
from hotfolder.arrivals.ears import NOT_LOOKED_AT
from hotfolder.arrivals.entries import Arrival, Entry, Habits
from hotfolder.arrivals.inbox import Inbox
from hotfolder.arrivals.pairing import Custom, Pairing
from hotfolder.arrivals.reach import Threads, patiently
from hotfolder.arrivals.watch import Watch, WatchError

__all__ = [
    "NOT_LOOKED_AT",
    "Arrival",
    "Custom",
    "DropFolder",
    "Entry",
    "Habits",
    "Inbox",
    "Pairing",
    "Threads",
    "Watch",
    "WatchError",
    "patiently",
]
