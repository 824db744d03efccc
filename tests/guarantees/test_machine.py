"""The three guarantees, under a machine that does anything to the real pipeline in any order.

By default each shard runs the same examples every time, so that a change is judged by itself. With
`HOTFOLDER_EXAMPLES=50000` so many are drawn anew, over all shards:

    HOTFOLDER_EXAMPLES=50000 .venv/bin/python -m pytest -n 2 tests/guarantees

A failure prints the shortest steps that lead to it, as lines of a program.
"""

import os
import random

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.guarantees.machine import Pipeline
from tests.guarantees.services import InMemory, OverHttp

WANTED = int(os.environ.get("HOTFOLDER_EXAMPLES", "0"))
MEMORY_SHARDS, HTTP_SHARDS = 8, 4
MEMORY_EXAMPLES, HTTP_EXAMPLES = 250, 50
"""Of one shard, unless the environment says otherwise."""
_STEPS = 25


def run(machine: type[Pipeline], shard: int, examples: int) -> None:
    """Run so many examples of a shard, or the shard's part of what the environment wants."""
    number = shard if not WANTED else random.SystemRandom().getrandbits(64)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,  # a failure is kept as a test, not as a file of one machine
        print_blob=True,
        # An example is long by intention: it ends only when everything is at rest.
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(machine), settings=chosen)


@pytest.mark.timeout(0 if WANTED else 300)
@pytest.mark.parametrize("settle", ["0s", "1s"])
@pytest.mark.parametrize("shard", range(MEMORY_SHARDS // 2))
def test_the_guarantees_hold_with_a_service_in_memory(base, shard, settle) -> None:
    """Whatever happens, nothing is lost, sent twice or without its record, and all comes to rest."""
    machine = type("Memory", (Pipeline,), {"base": base, "serve": InMemory, "settle": settle})
    run(machine, shard, WANTED * 4 // 5 // MEMORY_SHARDS or MEMORY_EXAMPLES)


@pytest.mark.timeout(0 if WANTED else 300)
@pytest.mark.parametrize("shard", range(HTTP_SHARDS))
def test_the_guarantees_hold_with_rossum_over_http(base, sandbox, shard) -> None:
    """The same against a service that speaks HTTP, imports later and is asked through its lists."""
    serve = staticmethod(lambda clock, effects: OverHttp(sandbox, clock, effects))
    machine = type("OverRossum", (Pipeline,), {"base": base, "serve": serve})
    run(machine, shard, WANTED // 5 // HTTP_SHARDS or HTTP_EXAMPLES)
