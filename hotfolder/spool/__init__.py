"""Everything that touches files on disk: the only package that renames, syncs, unlinks and locks.

`files` opens, moves, writes and removes; `places` tells what an open file lies on; `locks` keeps other
processes out; `folders` holds the folders of a queue open; `posting` shows people a file of ours.
"""

from hotfolder.spool.files import (
    NotAFileError,
    below,
    copy_over,
    has_writer,
    kind_of,
    look,
    move,
    move_to_free,
    names_in,
    open_below,
    open_document,
    open_folder,
    owner_of_new,
    read_small,
    remove,
    renewed,
    replace,
    same_bytes,
    same_file,
    set_aside,
    stamp_of,
    sync_folder,
    touch,
    write_new,
    write_note,
)
from hotfolder.spool.folders import WORK_FOLDER, Folders
from hotfolder.spool.locks import Lock, LockedError
from hotfolder.spool.places import blocks_tell, file_system, ground_of, is_remote, keeps_numbers, lets_go
from hotfolder.spool.posting import post

__all__ = [
    "WORK_FOLDER",
    "Folders",
    "Lock",
    "LockedError",
    "NotAFileError",
    "below",
    "blocks_tell",
    "copy_over",
    "file_system",
    "ground_of",
    "has_writer",
    "is_remote",
    "keeps_numbers",
    "kind_of",
    "lets_go",
    "look",
    "move",
    "move_to_free",
    "names_in",
    "open_below",
    "open_document",
    "open_folder",
    "owner_of_new",
    "post",
    "read_small",
    "remove",
    "renewed",
    "replace",
    "same_bytes",
    "same_file",
    "set_aside",
    "stamp_of",
    "sync_folder",
    "touch",
    "write_new",
    "write_note",
]
