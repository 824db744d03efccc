from pathlib import Path

import pytest

from hotfolder.settings import Settings, SettingsError, default_state_dir, find_settings_file, load_settings

TWENTY = """\
root: ~/drop
stat_dir: /var/lib/hotfolder
connections:
  acme:
    backend: rossum
    base_url: http://acme.rossum.app/api/v1
    username: scanner@acme.example
    passwrd: {file: rossum-password}
    timeouts: {connect: 10, read: 60s}
    statuses: {40: done}
  other: {backend: digito, token: t}
queues:
  invoices:
    connection: acme
    folder: /srv/invoices
    setle: 2s
    types: [pdf, heic]
    max_size: 40 megabytes
    recursive: yes
    mode: bulk
    status_file: status
  receipts:
    connection: acmee
    queue_id: 8236
    folder: /srv/invoices/receipts
    patience: 900
    patience: 15m
  bad name: {connection: acme, queue_id: 1, folder: /srv/bad}
grace: -1s
log: {level: LOUD}
"""
MISTAKES = """\
1:7: root: write the whole path: ~ is not expanded
2:1: stat_dir: there is no such key here; expected one of state_dir, root, connections, queues, limits, grace, http, log, notify (did you mean `state_dir`?)
4:3: connections.acme.password: is needed (or give `token` alone)
6:15: connections.acme.base_url: documents travel over TLS: write https://, or set `allow_insecure_http: true` on this connection
8:5: connections.acme.passwrd: there is no such key here; `hotfolder schema config` lists them (did you mean `password`?)
9:25: connections.acme.timeouts.connect: a number needs its unit: write 30s, 10m, 1h or 7d
10:16: connections.acme.statuses.40: expected an HTTP status such as 409, or status and code such as 403 NO_LICENCE
11:20: connections.other.backend: expected one of rossum, digitoo, docdigitizer (did you mean `digitoo`?)
13:3: queues.invoices.queue_id: is missing: connection `acme` needs the id of the service's own queue
16:5: queues.invoices.setle: there is no such key here; `hotfolder schema config` lists them (did you mean `settle`?)
17:18: queues.invoices.types[1]: expected one of pdf, jpeg, png, tiff
18:15: queues.invoices.max_size: expected a size such as 25MiB, 40MB, 512kB or a number of bytes
19:16: queues.invoices.recursive: write true or false
20:11: queues.invoices.mode: expected one of single, batch
21:18: queues.invoices.status_file: expected a name such as STATUS.txt: letters, digits, spaces, `.`, `_` and `-`, and .txt at its end
23:5: queues.receipts.connection: there is no such key under `connections` (did you mean `acme`?)
25:5: queues.receipts.folder: is or lies in the drop folder of queue `invoices`; each queue needs a folder of its own
26:15: queues.receipts.patience: a number needs its unit: write 30s, 10m, 1h or 7d
27:5: queues.receipts.patience: this key is already on line 26; keep one of the two
28:3: queues.bad name: expected a name of at most 64 letters, digits, `.`, `_` and `-`, the first a letter or digit
29:8: grace: expected a duration such as 500ms, 2s, 10m, 1h30m or 7d
30:14: log.level: expected one of TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR, CRITICAL
""".splitlines()  # noqa: E501 — whole lines, as an operator sees them


def test_all_mistakes_are_told_at_once(complaints):
    """Writing, types, names, cross checks and unbuilt parts come together, in the order of the lines."""
    assert complaints(TWENTY) == MISTAKES
    assert len(MISTAKES) > 20


def test_each_line_of_an_error_names_the_file(load, tmp_path):
    """FILE:LINE:COLUMN is what editors and terminals make clickable."""
    with pytest.raises(SettingsError) as caught:
        load(TWENTY)
    assert all(line.startswith(f"{tmp_path}/config.yaml:") for line in str(caught.value).splitlines())
    assert len(str(caught.value).splitlines()) == len(caught.value.problems) == len(MISTAKES)


def test_a_problem_is_one_line_whatever_the_key(complaints, head):
    """Line breaks and terminal codes in a key are escaped."""
    [line] = complaints(f'{head}  q: {{connection: doc, "a\\n\\e[31mb": 1}}\n')
    assert "queues.q.a\\n\\x1b[31mb: there is no such key here" in line


def test_a_good_file_becomes_settings(load, head, tmp_path):
    """The result knows its own file; relative paths and names are filled in."""
    loaded = load(f"{head}  q: {{connection: acme, queue_id: 8236}}\nstate_dir: state\n")
    assert isinstance(loaded, Settings)
    assert (loaded.source, loaded.state_dir) == (tmp_path / "config.yaml", tmp_path / "state")
    assert loaded.connections["acme"].name == "acme"
    assert loaded.queues["q"].queue_id == "8236"
    assert loaded.connection_of(loaded.queues["q"]) is loaded.connections["acme"]
    assert (loaded.grace_s, loaded.http, loaded.log.level, loaded.log.format) == (30, None, "INFO", "text")


def test_two_readings_of_one_file_are_equal(load, head):
    """A reload can tell whether anything changed."""
    text = f"{head}  q: {{connection: doc}}\n"
    assert load(text) == load(text)
    assert load(text) != load(text + "grace: 31s\n")


def test_the_level_of_the_log_may_be_written_small(load, head):
    """Small letters mean the same level."""
    assert load(f"{head}  q: {{connection: doc}}\nlog: {{level: debug}}\n").log.level == "DEBUG"


def test_defaults_may_come_from_an_anchor(load, head):
    """Queues can share keys by `<<`."""
    loaded = load(
        f"{head}  a: &a {{connection: doc, settle: 5s, patience: 1h}}\n  b: {{<<: *a, settle: 6s}}\n"
    )
    b = loaded.queues["b"]
    assert (b.name, b.settle_s, b.patience_s, b.folder) == ("b", 6, 3600, Path("/srv/hotfolder/b"))


def test_the_internal_keys_cannot_be_written(complaints, head):
    """A queue's name is its key; `name` is unknown."""
    lines = complaints(f"{head}  q: {{connection: doc, name: x, '<name>': y}}\nsource: z\n")
    assert len(lines) == 2
    assert "queues.q.name" in lines[0]
    assert "source" in lines[1]


def test_files_that_cannot_be_read_are_told_apart(tmp_path):
    """Missing, a folder, not UTF-8 and far too large: each has its own sentence."""
    binary, huge = tmp_path / "binary", tmp_path / "huge"
    binary.write_bytes(b"root: /srv\nlog: \xff\xfe\n")
    huge.write_bytes(b"#" * 5_000_000)
    cases = {
        tmp_path / "gone": ": there is no such file; name one with -c or HOTFOLDER_CONFIG, or write one with "
        "`hotfolder init`",
        tmp_path: ": the file cannot be read: Is a directory",
        binary: ":2:6: this is not UTF-8; save the file as UTF-8 text",
        huge: ": the file is larger than 4 MiB; this is no configuration",
    }
    for path, message in cases.items():
        with pytest.raises(SettingsError) as caught:
            load_settings(path, {})
        assert str(caught.value) == f"{path}{message}"


def test_a_byte_order_mark_is_no_mistake(head, tmp_path):
    """Editors on Windows write one."""
    file = tmp_path / "config.yaml"
    file.write_bytes(f"\ufeff{head}  q: {{connection: doc}}\n".replace("\n", "\r\n").encode())
    assert load_settings(file, {}).queues
    file.write_bytes("\ufeffrot: 1\n".encode())
    with pytest.raises(SettingsError, match=r"config.yaml:1:1: rot: "):
        load_settings(file, {})


def test_the_file_is_found_by_option_variable_or_default():
    """The command line wins over the environment, which wins over /etc."""
    environ = {"HOTFOLDER_CONFIG": "/b.yaml"}
    assert find_settings_file(Path("/a.yaml"), environ) == Path("/a.yaml")
    assert find_settings_file(None, environ) == Path("/b.yaml")
    assert find_settings_file(None, {}) == find_settings_file(None, {"HOTFOLDER_CONFIG": ""})
    assert find_settings_file(None, {}) == Path("/etc/hotfolder/config.yaml")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/hotfolder"),
        ({"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/hotfolder"),
        ({"HOME": "/h"}, "/h/.local/state/hotfolder"),
        ({}, "/var/lib/hotfolder"),
    ],
)
def test_the_journal_is_in_systemds_or_the_users_state_folder(environ, folder):
    """The service manager decides, else the desktop's rules, else the usual place."""
    assert default_state_dir(environ) == Path(folder)
