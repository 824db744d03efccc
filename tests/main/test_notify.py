import pytest
from click.testing import CliRunner

from hotfolder.main import program
from tests.notices.receivers import Hook, Mailbox, free_port

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*imghdr:DeprecationWarning"
)  # a plug-in of Apprise imports it

CONFIG = """
state_dir: {top}/state
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues: {{q: {{connection: acme, queue_id: 1, folder: {top}/q}}}}
"""
TARGETS = """
notify:
  targets:
    office: {{via: email, to: it@acme.example, from: hf@acme.example, host: localhost, port: {mail}, security: none}}
    ops: {{via: webhook, url: 'http://127.0.0.1:{hook}/s3cret'}}
    chat: {{via: apprise, url: 'nosuch://s3cret'}}
"""


@pytest.fixture
def command(tmp_path):
    """Run a command on a configuration and return its result."""

    def run(text, *words):
        (tmp_path / "config.yaml").write_text(text)
        return CliRunner().invoke(program, ["-c", str(tmp_path / "config.yaml"), *words])

    return run


def test_a_trial_reaches_each_target(command, tmp_path):
    """Each target gets one message, each result has its line, and one that fails makes the status 1."""
    with Mailbox() as mailbox, Hook() as hook:
        text = (CONFIG + TARGETS).format(top=tmp_path, mail=mailbox.port, hook=hook.port)
        all_of_them = command(text, "notify-test")
        some = command(text, "notify-test", "office", "ops")
    assert all_of_them.exit_code == 1
    assert [line[:4] for line in all_of_them.stdout.splitlines()] == ["ok  ", "ok  ", "BAD "]
    assert "s3cret" not in all_of_them.output
    assert some.exit_code == 0
    assert "a trial" in mailbox.subjects[0]
    assert [told["notices"] for told in hook.told] == [[], []]


def test_what_there_is_nobody_to_tell(command, tmp_path):
    """Without `notify`, and with a name that is no target, the command says so."""
    plain = CONFIG.format(top=tmp_path)
    assert "has no `notify:`" in command(plain, "notify-test").stderr
    text = (CONFIG + TARGETS).format(top=tmp_path, mail=free_port(), hook=free_port())
    wrong = command(text, "notify-test", "offfice")
    assert wrong.exit_code == 2
    assert "office, ops, chat" in wrong.stderr


def test_check_names_who_is_told(command, tmp_path):
    """The targets and what is wrong with them, without sending anything and without secrets."""
    (tmp_path / "q").mkdir()
    with Hook() as hook:
        text = (CONFIG + TARGETS).format(top=tmp_path, mail=free_port(), hook=hook.port)
        said = command(text, "check").stdout
        assert hook.told == []
    assert "ok   notify: target office: e-mail to it@acme.example by localhost" in said
    assert "ok   notify: target ops: a webhook" in said
    assert "BAD  notify: target chat: its `url` is none that Apprise knows (nosuch://)" in said
    assert "s3cret" not in said
