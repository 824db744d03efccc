import re
import shutil
from pathlib import Path

import jsonschema
import pytest

from hotfolder.settings import (
    DigitooConnection,
    DocDigitizerConnection,
    Queue,
    RossumConnection,
    config_schema,
    load_settings,
)
from hotfolder.settings.schema import SECTIONS
from hotfolder.settings.section import Section
from hotfolder.settings.yaml_source import read_yaml

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
FILLED_IN = {"name", "source"}
"""Attributes that are no keys."""


@pytest.fixture
def example(tmp_path):
    """Load the example with its secrets in place."""
    shutil.copy(EXAMPLE, tmp_path / "config.yaml")
    for name in ("rossum-password", "docdigitizer-api-key"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("invented")
    environ = {"DIGITOO_PASSWORD": "invented", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    return load_settings(tmp_path / "config.yaml", environ)


def test_the_example_loads(example):
    """It shows one connection of each service and a queue for each."""
    kinds = [type(connection) for connection in example.connections.values()]
    assert kinds == [RossumConnection, DigitooConnection, DocDigitizerConnection]
    assert [queue.connection for queue in example.queues.values()] == list(example.connections)


def defaults(section, **needed):
    """Return what a section is when only what is needed is given."""
    return {key: value for key, value in dict(type(section)(**needed)).items() if key not in needed}


def test_the_example_shows_the_defaults(example):
    """Whoever leaves a line of it out changes nothing."""
    queue = example.queues["invoices"]
    needed = {"name": "invoices", "connection": "x", "queue_id": "8236", "folder": queue.folder}
    assert defaults(queue, **needed).items() <= dict(queue).items()
    assert queue == Queue(**{**needed, "connection": queue.connection})
    rossum = example.connections["acme-rossum"]
    needed = {key: getattr(rossum, key) for key in ("name", "base_url", "username", "password")}
    assert rossum == RossumConnection(**needed)
    needed = {"source": "/x", "state_dir": "/y", "root": "/z", "connections": {}, "queues": {"q": queue}}
    assert defaults(example, **needed).items() <= dict(example).items()


def mentioned(key):
    """Tell whether a key is in the example, as a key or behind a comment sign."""
    return re.search(rf"^\s*(?:# *)?(?:.*[{{,] ?)?{key}:", EXAMPLE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_is_in_the_example(section: type[Section]):
    """Nothing can be configured that the example does not show."""
    keys = [field.alias for name, field in section.model_fields.items() if name not in FILLED_IN]
    assert [key for key in keys if not mentioned(key)] == []


def test_every_key_of_a_queue_is_shown_in_place(example):
    """A queue's keys stand in the queue, not only somewhere."""
    shown = read_yaml(EXAMPLE.read_text(), EXAMPLE).value["queues"]["invoices"]
    keys = {field.alias for name, field in Queue.model_fields.items() if name not in FILLED_IN}
    assert set(shown) == keys


def test_the_example_is_valid_for_editors():
    """The schema that its first line names accepts it."""
    text = EXAMPLE.read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    jsonschema.validate(read_yaml(text, EXAMPLE).value, config_schema())
