import jsonschema
import pytest
import yaml

from hotfolder.settings import config_schema
from hotfolder.settings.schema import SECTIONS, attribute_docstrings


@pytest.fixture(scope="module")
def schema():
    """Return the schema, once."""
    return config_schema()


def test_every_key_is_described(schema):
    """An editor has a sentence for each key of each part."""
    for part in (schema, *schema["$defs"].values()):
        for key, shown in part["properties"].items():
            assert shown["description"].endswith("."), key


def test_every_part_is_in_the_list():
    """Descriptions and defaults are written for all sections."""
    named = {section.__name__ for section in SECTIONS}
    assert set(config_schema()["$defs"]) | {"Settings"} == named


def test_attributes_have_docstrings_inherited_ones_too():
    """The source of the descriptions is complete."""
    for section in SECTIONS:
        assert set(section.model_fields) <= set(attribute_docstrings(section))


def test_defaults_are_shown_as_people_write_them(schema):
    """Durations have units, types have words, and what the program fills in is no key."""
    queue = schema["$defs"]["Queue"]["properties"]
    shown = {
        key: queue[key].get("default")
        for key in ("settle", "settle_max", "rescan", "duplicates_within", "types")
    }
    assert shown == {
        "settle": "1s",
        "settle_max": "2m",
        "rescan": "1m",
        "duplicates_within": "90d",
        "types": ["pdf", "jpeg", "png", "tiff"],
    }
    assert queue["companion_timeout"]["default"] == "10m"
    assert "default" not in schema["$defs"]["RossumConnection"]["properties"]["timeouts"]
    assert not {"<name>", "<source>", "name", "source"} & {*queue, *schema["properties"]}
    assert set(schema["required"]) == {"connections", "queues"}
    assert schema["$defs"]["Queue"]["required"] == ["connection"]


GOOD = """
connections:
  a: {backend: digitoo, token: {env: T}, timeouts: {read: 60s}}
queues:
  q: {connection: a, queue_id: 5, folder: /q, settle: 0, patience: 1h30m, max_size: none, min_size: 5 MB}
"""


def test_the_schema_accepts_what_is_right(schema):
    """It is a valid schema, and a usual file is valid under it."""
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(GOOD), schema)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("settle: 0", "settle: 5"),
        ("settle: 0", "setle: 0"),
        ("1h30m", "1 hour"),
        ("max_size: none", "max_size: much"),
        ("{env: T}", "{environ: T}"),
        ("digitoo", "digito"),
        ("read: 60s", "read: yes"),
        ("connection: a, ", ""),
    ],
)
def test_the_schema_refuses_what_the_program_refuses(schema, right, wrong):
    """An editor underlines the usual mistakes."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(GOOD.replace(right, wrong)), schema)
