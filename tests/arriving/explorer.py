"""Ways of Windows' Explorer and of programs on Windows, played back request by request over SMB 3."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBException
from smbprotocol.file_info import FileBasicInformation, FileEndOfFileInformation, FileRenameInformation
from smbprotocol.header import Commands
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    DirectoryAccessMask,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
    SMB2SetInfoRequest,
)
from smbprotocol.session import Session
from smbprotocol.structure import Structure
from smbprotocol.tree import TreeConnect

from tests.arriving.room import Spot, Way, pause
from tests.arriving.servers import LOOPBACK

PIECE_BYTES = 1 << 15
_OLD = 132_000_000_000_000_000
"""A file time of 2019: Explorer gives a copy the date of its original."""
_COPY = (
    FilePipePrinterAccessMask.FILE_WRITE_DATA
    | FilePipePrinterAccessMask.FILE_APPEND_DATA
    | FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
    | FilePipePrinterAccessMask.FILE_WRITE_ATTRIBUTES
    | FilePipePrinterAccessMask.FILE_WRITE_EA
    | FilePipePrinterAccessMask.DELETE
    | FilePipePrinterAccessMask.READ_CONTROL
    | FilePipePrinterAccessMask.SYNCHRONIZE
)


class Window:
    """A folder of a share as a program on Windows has it open."""

    def __init__(self, tree: TreeConnect) -> None:
        self.tree = tree

    @contextmanager
    def opened(
        self,
        name: str,
        disposition: int = CreateDisposition.FILE_OVERWRITE_IF,
        access: int = _COPY,
        options: int = CreateOptions.FILE_NON_DIRECTORY_FILE,
    ) -> Iterator[Open]:
        """Have a file open for the length of a block."""
        file = Open(self.tree, name)
        file.create(
            ImpersonationLevel.Impersonation,
            access,
            FileAttributes.FILE_ATTRIBUTE_NORMAL,
            ShareAccess.FILE_SHARE_READ,
            disposition,
            options,
        )
        try:
            yield file
        finally:
            file.close(get_attributes=False)

    def tell(self, file: Open, info: Structure) -> None:
        """Set something about an open file."""
        request = SMB2SetInfoRequest()
        request["info_type"] = info.INFO_TYPE
        request["file_info_class"] = info.INFO_CLASS
        request["file_id"] = file.file_id
        request["buffer"] = info
        connection = self.tree.session.connection
        sent = connection.send(request, self.tree.session.session_id, self.tree.tree_connect_id)
        answer = connection.receive(sent)
        assert answer["command"].get_value() == Commands.SMB2_SET_INFO

    def resize(self, file: Open, size: int) -> None:
        """Set the end of a file, before or after it is written."""
        info = FileEndOfFileInformation()
        info["end_of_file"] = size
        self.tell(file, info)

    def date_back(self, file: Open) -> None:
        """Give a file the date of its original."""
        info = FileBasicInformation()
        info["last_write_time"] = info["creation_time"] = _OLD
        self.tell(file, info)

    def rename(self, file: Open, name: str) -> None:
        """Rename an open file, over another one if need be."""
        info = FileRenameInformation()
        info["replace_if_exists"] = True
        info["file_name"] = name
        self.tell(file, info)


@contextmanager
def window(spot: Spot) -> Iterator[Window]:
    """Have the share open for the length of a block."""
    servers = spot.room.servers
    connection = Connection(uuid.uuid4(), LOOPBACK, servers.smb_port, require_signing=True)
    connection.connect(timeout=15)
    try:
        session = Session(connection, servers.user, servers.password, auth_protocol="ntlm")
        session.connect()
        tree = TreeConnect(session, rf"\\{LOOPBACK}\{servers.share}")
        tree.connect()
        yield Window(tree)
    finally:
        with suppress(SMBException):
            connection.disconnect(close=True)


def write(file: Open, content: bytes, begin: int = 0) -> None:
    """Write what lies behind `begin`, in pieces as a copy does."""
    for offset in range(begin, len(content), PIECE_BYTES):
        file.write(content[offset : offset + PIECE_BYTES], offset)


def copied(spot: Spot) -> None:
    """Explorer's copy: looked at first, then full length and old date before the content."""
    with window(spot) as share:
        # "Does it exist?"
        with suppress(SMBException), share.opened(spot.name, CreateDisposition.FILE_OPEN):
            pass
        with share.opened(spot.name, CreateDisposition.FILE_CREATE) as file:
            share.resize(file, len(spot.content))
            write(file, spot.content[: len(spot.half)])
            pause()
            write(file, spot.content, len(spot.half))
            share.date_back(file)


def copied_over(spot: Spot) -> None:
    """Explorer's copy over half a document that is there."""
    with window(spot) as share:
        with share.opened(spot.name) as file:
            write(file, spot.half)
        with share.opened(spot.name, CreateDisposition.FILE_OVERWRITE) as file:
            share.resize(file, len(spot.content))
            write(file, spot.content)
            share.date_back(file)


def saved_by_a_program(spot: Spot) -> None:
    """Written under a temporary name and renamed through the open handle, over an empty one that held the name."""
    with window(spot) as share:
        with share.opened(spot.name):
            pass
        with share.opened(f"~{spot.name}.tmp") as file:
            write(file, spot.content)
            share.rename(file, spot.name)


def tried_first(spot: Spot) -> None:
    """A device that proves first that it can write, with a file that goes when it is closed."""
    with window(spot) as share:
        options = CreateOptions.FILE_NON_DIRECTORY_FILE | CreateOptions.FILE_DELETE_ON_CLOSE
        with share.opened(f"{spot.name}.test", options=options) as file:
            write(file, b"test")
        with share.opened(spot.name) as file:
            write(file, spot.content)


def page_by_page(spot: Spot) -> None:
    """A device that opens the file anew for each page."""
    with window(spot) as share:
        for before, page in zip((b"", *spot.pages), spot.pages, strict=False):
            with share.opened(spot.name, CreateDisposition.FILE_OPEN_IF) as file:
                write(file, page, len(before))
            if page is not spot.pages[-1]:
                pause()


def cut_off(spot: Spot, content: bytes) -> None:
    """Explorer's copy whose machine is switched off half way: full length, half of the content, no goodbye."""
    with window(spot) as share, suppress(SMBException, OSError), share.opened(spot.name) as file:
        share.resize(file, len(content))
        write(file, content[: len(content) // 2])
        share.tree.session.connection.transport.close()


def folder_listed(spot: Spot) -> list[str]:
    """Return the names that Explorer shows."""
    from smbprotocol.file_info import FileInformationClass  # noqa: PLC0415

    with window(spot) as share:
        options = CreateOptions.FILE_DIRECTORY_FILE
        access = DirectoryAccessMask.FILE_LIST_DIRECTORY
        with share.opened("", CreateDisposition.FILE_OPEN, access, options) as folder:
            found = folder.query_directory("*", FileInformationClass.FILE_NAMES_INFORMATION)
        return [one["file_name"].get_value().decode("utf-16-le") for one in found]


WAYS: tuple[Way, ...] = (copied, copied_over, saved_by_a_program, tried_first, page_by_page)
