"""Figures for Prometheus: what is counted as it happens, and what is so at the moment of a question."""

from hotfolder.metrics.counts import Counts
from hotfolder.metrics.exposition import Exposition
from hotfolder.metrics.facts import CAUSES, ConnectionFacts, Facts, QueueFacts, Store

__all__ = ["CAUSES", "ConnectionFacts", "Counts", "Exposition", "Facts", "QueueFacts", "Store"]
