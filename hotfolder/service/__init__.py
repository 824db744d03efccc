"""The daemon: build the pipeline from the configuration, run it, reload it, stop it."""

from hotfolder.service.alone import carry_out
from hotfolder.service.daemon import Service
from hotfolder.service.once import Outcome
from hotfolder.service.works import AlreadyRunningError, SystemClock, Works

__all__ = ["AlreadyRunningError", "Outcome", "Service", "SystemClock", "Works", "carry_out"]
