"""Tell systemd how the service fares: the notify protocol of sd_notify(3), eight lines of it."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """The notification socket; without one every call does nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        interval = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(interval) / 1e6 / 3 if self._address and ours and interval.isdigit() else None
        """How often `WATCHDOG=1` is due: a third of the limit, as sd_watchdog_enabled(3) advises at most half."""

    def tell(self, *lines: str) -> None:
        """Send assignments such as `READY=1`; a missing receiver is no error."""
        if not self._address:
            return
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as to:
                to.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return
