"""Who may do what: read rights from the disk, judge them against what droppers should be able to, lay them."""

from hotfolder.rights.access import READ, SEARCH, WRITE, Access, Entry, Kind, Subject, packed, parsed
from hotfolder.rights.folders import lay
from hotfolder.rights.survey import survey
from hotfolder.rights.verdicts import DROPPERS, Remark, Site, Weight, judged

__all__ = [
    "DROPPERS",
    "READ",
    "SEARCH",
    "WRITE",
    "Access",
    "Entry",
    "Kind",
    "Remark",
    "Site",
    "Subject",
    "Weight",
    "judged",
    "lay",
    "packed",
    "parsed",
    "survey",
]
