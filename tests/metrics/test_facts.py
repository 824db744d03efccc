"""When a queue is ready."""

import pytest

from hotfolder.metrics import CAUSES, Facts
from tests.web.sights import queue_facts


@pytest.mark.parametrize("cause", CAUSES)
def test_any_cause_but_its_hours_makes_a_queue_not_ready(cause: str) -> None:
    """Outside its hours a queue is as it should be, alone; everything else somebody should know of."""
    ready = cause == "off_hours"
    assert queue_facts(causes=(cause,)).ready is ready
    assert queue_facts(causes=(cause, "off_hours")).ready is ready
    assert Facts((queue_facts(), queue_facts(causes=(cause,)))).ready is ready
