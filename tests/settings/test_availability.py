import pytest

from hotfolder.settings.availability import QUEUE_ALLOWS
from hotfolder.settings.section import yaml_key

WRITTEN = {
    "status_file": ["/tmp/status"],
}
ACCEPTED = ["status_file: null"]


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


def test_a_value_that_is_wrong_anyway_is_told_once(queue_complaints):
    """A typo in what is not built is a typo."""
    assert queue_complaints("mode: bach") == [
        "9:11: queues.q.mode: expected one of single, batch (did you mean `batch`?)"
    ]
