"""What a page of the documentation tells a sysadmin to write and to run, taken out of it word by word."""

import re
from functools import cache
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


@cache
def blocks(page: str) -> dict[str, str]:
    """Return the marked blocks of a page: files by their path, commands by their name."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"(?ms)^<!-- (?:file|run): (\S+) -->\n```\w+\n(.*?)^```$", text)
    return dict(found)
