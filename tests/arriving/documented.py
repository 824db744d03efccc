"""What docs/scanners.md tells a sysadmin to write and to run, taken out of it word by word."""

import re

from tests import pages


def blocks() -> dict[str, str]:
    """Return the marked blocks of docs/scanners.md."""
    return pages.blocks("scanners.md")


def commands(name: str, account: str = "scanner1", password: str = "") -> str:
    """Return commands of the page, for another account, with the password that they would ask for."""
    script = blocks()[name].replace("scanner1", account)
    script = re.sub(r"(?m)^passwd (\S+)$", rf"echo \1:{password} | chpasswd", script)
    typed = f"printf '{password}\\n{password}\\n' | smbpasswd -s -a"
    script = script.replace("smbpasswd -a", typed)
    return re.sub(r"(?m)^ftpasswd ", f"echo {password} | ftpasswd --stdin ", script)
