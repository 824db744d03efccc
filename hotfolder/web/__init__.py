"""The daemon's own web server: it takes what services tell by themselves, and says whether the daemon is well."""

from hotfolder.web.front import Front

__all__ = ["Front"]
