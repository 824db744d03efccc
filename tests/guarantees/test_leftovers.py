"""A daemon that has filed a document forgets it: what it holds in memory does not grow with the number of them."""

import gc
from collections import Counter
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import pytest

from hotfolder.sandbox.server import SandboxServer
from hotfolder.service.works import Works
from tests.guarantees.owner import picture
from tests.guarantees.plant import Plant
from tests.guarantees.services import TROUBLES, InMemory, OverHttp, sandbox_of

WARM_UP, DOCUMENTS, TOGETHER = 100, 200, 20
"""The warm-up fills what is bounded: the addresses that are remembered, and the loop's list of cancelled timers."""
SLACK = DOCUMENTS // 2
"""A leftover of a single object for each document is twice as much; what is under way differs by less."""
BOOKS = ("hotfolder.sandbox.", "hotfolder.backends.memory")
_LONG_S = 300.0


@pytest.fixture(scope="module")
def sandbox(base) -> Iterator[SandboxServer]:
    """A sandbox in the time of the ground."""
    with sandbox_of(lambda: base.clock) as shared:
        yield shared


def held(works: Works) -> Counter[str]:
    """Count all objects that a daemon can reach, by type; not the program itself, nor what belongs to the tests."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    pending: list[Any] = [works]
    while pending:
        one = pending.pop()
        own = str(type(one).__module__).startswith(("tests.", "loguru."))
        code = isinstance(one, type | ModuleType | FunctionType | BuiltinFunctionType)
        if own or code or id(one) in seen:
            continue
        seen.add(id(one))
        found[type(one).__qualname__] += 1
        pending += gc.get_referents(one)
    return found


def alive() -> Counter[str]:
    """Count the objects of the program's own types in this process, by type, without the services' books."""
    types = ((str(type(one).__module__), type(one).__qualname__) for one in gc.get_objects())
    return Counter(
        name for module, name in types if module.startswith("hotfolder.") and not module.startswith(BOOKS)
    )


@pytest.fixture(params=["memory", "http"])
def service(request, base) -> Any:
    """A service in memory, and Rossum's sandbox."""
    base.clear()
    if request.param == "memory":
        return InMemory(base.clock, base.effects)
    return OverHttp(request.getfixturevalue("sandbox"), base.clock, base.effects)


def test_nothing_is_left_of_documents_that_were_filed(base, service) -> None:
    """After hundreds of documents, some of them in trouble, the daemon holds what it held before them."""
    plant = Plant(base, service, "0s")
    plant.start()
    try:
        _pass_through(plant, service, range(WARM_UP))
        before = held(plant._works), alive()
        _pass_through(plant, service, range(WARM_UP, WARM_UP + DOCUMENTS))
        after = held(plant._works), alive()
    finally:
        plant.stop()
    for then, now in zip(before, after, strict=True):
        assert now.total() <= then.total() + SLACK, (now - then).most_common(10)


def _pass_through(plant: Plant, service: Any, numbers: range) -> None:
    """Drop documents a few at a time, trouble for every third, and wait until each of them is at rest."""
    for start in numbers[::TOGETHER]:
        for number in range(start, start + TOGETHER):
            name = b"scan%d.png" % number
            (plant.drop / name.decode()).write_bytes(picture(number))
            plant.tell(name)
            service.troubles.extend([TROUBLES[number // 3 % len(TROUBLES)]] if number % 3 == 0 else ["none"])
        for _ in range(20):
            plant.passes(_LONG_S)
            if plant.quiet():
                break
        assert plant.quiet(), plant.complaints()
    plant._running().made[:] = [task for task in plant._running().made if not task.done()]
    gc.collect()
