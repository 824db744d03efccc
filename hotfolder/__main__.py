"""Start the program: `python -m hotfolder` and the `hotfolder` command."""

from hotfolder.main import program


def run() -> None:
    """Run the command line and exit with its status."""
    program(prog_name="hotfolder")


if __name__ == "__main__":
    run()
