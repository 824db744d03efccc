"""arrivals | claims | delivery | followup | filing: carry every document along its journey.

A `Line` is one queue: its drop folder and its archives. A `Lane` is one connection with the lines that
share it: it decides what goes next, within rate and concurrency; its `Carriage` takes each document's steps
and records every arrow, `Convoys` the first request of those that share one. `Hands` are those of people: they
pause, resume and settle. `Postscripts` add to the records of filed documents what the service tells later.
"""

from hotfolder.pipeline.hands import InHandError
from hotfolder.pipeline.lane import Lane
from hotfolder.pipeline.line import Line, MakeThreads, Means
from hotfolder.pipeline.postscripts import Postscripts
from hotfolder.pipeline.recorder import Recorder

__all__ = ["InHandError", "Lane", "Line", "MakeThreads", "Means", "Postscripts", "Recorder"]
