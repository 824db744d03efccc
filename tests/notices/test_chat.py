import logging
import time

import pytest

from hotfolder.notices import chat
from hotfolder.notices.chat import Chat
from hotfolder.notices.letters import Letter
from hotfolder.notices.ways import NotSentError
from hotfolder.settings.notify import AppriseTarget
from hotfolder.settings.secrets import WrittenSecret
from tests.notices.receivers import Hook, badly, free_port

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*imghdr:DeprecationWarning"
)  # a plug-in of Apprise imports it

LETTER = Letter(
    "n4me", "files1", 1_764_576_000.0, "[hotfolder] queue @everyone", "Text mit ü\nand *stars* <b>\n"
)


def target(url):
    """Make a target by Apprise's address."""
    return AppriseTarget(name="chat", url=WrittenSecret(url))


def refusal(url):
    """Send by Apprise and return why it was not sent."""
    with pytest.raises(NotSentError) as caught:
        Chat(target(url)).send(LETTER)
    return caught.value


def test_a_message_arrives():
    """Apprise hands on subject and text; nobody is called by a file's name."""
    with Hook() as hook:
        assert Chat(target(f"json://127.0.0.1:{hook.port}/s3cret-path")).send(LETTER) is None
    (told,) = hook.told
    assert told["title"] == "[hotfolder] queue @\u200beveryone"
    assert "*stars* <b>" in told["message"]
    assert chat.fault(target(f"json://127.0.0.1:{hook.port}/s3cret-path")) is None


def test_a_refusal_names_the_status_and_no_secret(caplog):
    """What Apprise logs may hold the address: only its scheme and the status are told, and its lines go nowhere."""
    with Hook() as hook:
        hook.status = 500
        problem = refusal(f"json://us3r:p4ssword@127.0.0.1:{hook.port}/s3cret-path")
    assert str(problem) == "Apprise could not deliver it to the service (json://), which answered 500"
    assert not any("s3cret" in line or "p4ssword" in line for line in caplog.messages)
    assert not any(isinstance(one, chat._Statuses) for one in logging.getLogger("apprise").handlers)


def test_nobody_there():
    """A service that cannot be reached is not told from one whose answer was lost."""
    problem = refusal(f"json://127.0.0.1:{free_port()}/s3cret-path")
    assert "s3cret" not in str(problem)
    assert not problem.certain


@pytest.mark.parametrize("url", ["nonsense-s3cret", "nosuch://s3cret/", "slack://s3cret"])
def test_an_address_that_apprise_does_not_know(url):
    """It is a mistake of the configuration, told by `check` and at each try, and not quoted."""
    problem = refusal(url)
    assert "none that Apprise knows" in str(problem)
    assert "s3cret" not in str(problem)
    assert chat.fault(target(url)) == str(problem)


def test_the_own_bounds_of_apprise_hold():
    """A service that hangs is left by Apprise itself after its four seconds or so."""
    begun = time.monotonic()
    with badly(lambda _connection, over: over.wait(30)) as port:
        problem = refusal(f"json://127.0.0.1:{port}/")
    assert time.monotonic() - begun < 25
    assert not problem.certain
