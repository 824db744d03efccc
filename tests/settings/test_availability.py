import pytest

from hotfolder.settings.availability import CONNECTION_ALLOWS, PROGRAM_ALLOWS, QUEUE_ALLOWS
from hotfolder.settings.section import yaml_key

WRITTEN = {
    "schedule": ["Mon-Fri 06:00-20:00"],
    "retain": ["{done: 90d}", "{failed: 1d}"],
    "companion": ["'{stem}.json'"],
    "companion_timeout": ["1m", "never"],
    "ready_marker": ["'{name}.ready'"],
    "wait_for": ["processed"],
    "webhook_url": ["https://example.com/hook"],
    "status_file": ["/tmp/status"],
    "results": ["true"],
}
ACCEPTED = [
    "retain: {}",
    "companion_timeout: 600s",
    "wait_for: accepted",
    "wait_for: imported",
]
ACCEPTED += [
    "retain: {done: null, failed: null}",
    "results: false",
    "schedule: null",
]


@pytest.mark.parametrize("key, value", [(key, value) for key, values in WRITTEN.items() for value in values])  # noqa: PT006
def test_what_is_not_built_is_refused_at_its_key(queue_complaints, key, value):
    """A value that would be ignored is never accepted."""
    assert queue_complaints(f"{key}: {value}") == [
        f"9:5: queues.q.{key}: `{key}` is not available yet; leave it out"
    ]


@pytest.mark.parametrize("keys", ACCEPTED)
def test_the_default_may_be_written(load_queue, keys):
    """A default, however it is spelt, means what is built."""
    assert load_queue(keys)


def test_every_line_of_the_table_is_tested_here():
    """A new line of the table needs its example above."""
    assert {yaml_key(attribute) for attribute in QUEUE_ALLOWS} == set(WRITTEN)
    assert (set(PROGRAM_ALLOWS), set(CONNECTION_ALLOWS)) == ({"http"}, {"api"})


def test_program_and_connections_have_such_parts_too(complaints, head):
    """The web server and DocDigitizer's newer interface are understood and refused."""
    text = f"{head}  q: {{connection: doc}}\nhttp: {{listen: 127.0.0.1:8642}}\n".replace(
        "doc: {", "doc: {api: v3, "
    )
    assert complaints(text) == [
        "4:9: connections.doc.api: `api` is not available yet; leave it out",
        "7:1: http: `http` is not available yet; leave it out",
    ]


def test_a_value_that_is_wrong_anyway_is_told_once(queue_complaints):
    """A typo in what is not built is a typo."""
    assert queue_complaints("mode: bach") == [
        "9:11: queues.q.mode: expected one of single, batch (did you mean `batch`?)"
    ]
