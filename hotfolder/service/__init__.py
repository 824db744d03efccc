"""The daemon: build the pipeline from the configuration, run it, reload it, stop it."""

from hotfolder.service.alone import carry_out
from hotfolder.service.daemon import Service
from hotfolder.service.once import Outcome
from hotfolder.service.parts import AlreadyRunningError, SystemClock
from hotfolder.service.works import Works

__all__ = ["AlreadyRunningError", "Outcome", "Service", "SystemClock", "Works", "carry_out"]
