"""Start the program: `python -m hotfolder` and the `hotfolder` command."""

import os
from contextlib import suppress

from hotfolder.main import program


def run() -> None:
    """Run the command line and exit with its status."""
    _stand_on_something()
    program(prog_name="hotfolder")


def _stand_on_something() -> None:
    """Lead standard streams that are closed nowhere: the next file that is opened would get their number."""
    for descriptor in range(3):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    run()
