"""The daemon's own web server: it takes what services tell by themselves, and says whether the daemon is well."""

from hotfolder.web.front import Front
from hotfolder.web.monitoring import Views

__all__ = ["Front", "Views"]
