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


def test_a_loop_that_hangs_makes_nothing_ready() -> None:
    """However well the queues are, and it is named."""
    found = Facts((queue_facts(),), stalled_s={"journal": 61.0, "web server": 0.0})
    assert (found.ready, found.hung) == (False, ["journal"])
    assert Facts((queue_facts(),), stalled_s={"journal": 0.0}).ready
