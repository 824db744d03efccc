"""Say how the queues fare and why a file is where it is: the answers of `status` and `why`."""

from hotfolder.status.figures import facts_of
from hotfolder.status.files import Explanation, explain, in_words
from hotfolder.status.later import with_news
from hotfolder.status.places import Place, place_of
from hotfolder.status.queues import at_stop, by_hand, report, report_without_daemon, state_of
from hotfolder.status.strangers import unexplained

__all__ = [
    "Explanation",
    "Place",
    "at_stop",
    "by_hand",
    "explain",
    "facts_of",
    "in_words",
    "place_of",
    "report",
    "report_without_daemon",
    "state_of",
    "unexplained",
    "with_news",
]
