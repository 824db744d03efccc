"""Hand messages to Apprise, where it is installed: chat services, telephones and a hundred more."""

import importlib
import importlib.util
import logging
import re
from typing import Any

from hotfolder.notices.letters import Letter
from hotfolder.notices.ways import NotSentError, revealed
from hotfolder.settings import AppriseTarget

MISSING = "Apprise is not installed; install it with `pip install 'hotfolder[notify]'` into the service's environment"
_LIBRARY = "apprise"


def is_installed() -> bool:
    """Tell whether Apprise is there, without importing it: that costs time and 30 MB."""
    return importlib.util.find_spec(_LIBRARY) is not None


def fault(target: AppriseTarget) -> str | None:
    """Say why Apprise cannot be used, None where it can; its plug-ins are loaded for that."""
    if not is_installed():
        return MISSING
    try:
        url = revealed(target.url)
        return None if _library().Apprise().add(url) else _unknown(url)
    except NotSentError as problem:
        return str(problem)
    except Exception as surprise:  # noqa: BLE001 — whatever a plug-in does
        return f"Apprise fails ({type(surprise).__name__})"


def _unknown(url: str) -> str:
    return f"its `url` is none that Apprise knows ({_scheme(url)}); see its list of services"


class _Statuses(logging.Handler):
    """Keeps the HTTP statuses that Apprise logs, and nothing else: its lines may hold what is secret."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a line."""
        self.found += re.findall(r"error=([1-5][0-9]{2})\b", record.getMessage())


class Chat:
    """The way to one of Apprise's services."""

    def __init__(self, target: AppriseTarget) -> None:
        self._target = target

    def send(self, letter: Letter) -> str | None:
        """See `Way`; Apprise bounds each step of a request by itself, and the caller the whole of it."""
        url = revealed(self._target.url)
        try:
            apprise = _library()
        except ImportError:
            raise NotSentError(MISSING) from None
        statuses = _Statuses()
        log = logging.getLogger(_LIBRARY)
        log.addHandler(statuses)
        try:
            sender = apprise.Apprise()
            known = sender.add(url)
            text, title = _harmless(letter.text), _harmless(letter.subject)
            sent = known and sender.notify(text, title=title, body_format=apprise.NotifyFormat.TEXT)
        except Exception as surprise:  # noqa: BLE001 — whatever a plug-in does, and its words may hold what is secret
            reason = f"Apprise failed ({_scheme(url)}: {type(surprise).__name__})"
            raise NotSentError(reason, certain=False) from None
        finally:
            log.removeHandler(statuses)
        if not known:
            raise NotSentError(_unknown(url))
        if not sent:
            said = f", which answered {statuses.found[0]}" if statuses.found else ""
            reason = f"Apprise could not deliver it to the service ({_scheme(url)}){said}"
            refused = statuses.found[:1] in (["400"], ["413"], ["422"])
            raise NotSentError(reason, certain=bool(statuses.found), content=refused)
        return None


def _library() -> Any:
    """Import Apprise, and keep its own lines out of the log: they may hold addresses with passwords."""
    library = importlib.import_module(_LIBRARY)
    logging.getLogger(_LIBRARY).propagate = False
    return library


def _scheme(url: str) -> str:
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,31}(?=://)", url)
    return f"{found[0]}://" if found else "no service is named"


def _harmless(text: str) -> str:
    """Return a text that calls nobody: a file named @everyone must not wake a whole company."""
    return text.replace("@", "@\N{ZERO WIDTH SPACE}")
