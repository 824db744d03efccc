"""The list of backends is complete, and its traits are what the specifications say."""

from contextlib import closing

import pytest

from hotfolder.backends import BACKENDS, open_backend, traits_of
from hotfolder.backends.base import JPEG, PDF, PNG, TIFF, Traits
from hotfolder.backends.docdigitizer_v3 import DocDigitizerV3
from hotfolder.settings import ConnectionSection
from hotfolder.settings.connections import CONNECTIONS
from tests.backends.parcels import digitoo, docdigitizer, docdigitizer_v3, rossum

MADE = [
    rossum("https://acme.example/api/v1"),
    digitoo("https://digitoo.example"),
    docdigitizer("https://docdigitizer.example"),
]


@pytest.mark.parametrize("connection", MADE, ids=lambda one: one.name)
def test_every_connection_has_its_backend(connection: ConnectionSection) -> None:
    """A connection opens the class of its name, and nothing is sent for it."""
    name = connection.name.removeprefix("acme-")
    with closing(open_backend(connection)) as backend:
        assert type(backend) is BACKENDS[name]
        assert backend.traits.name == name
        assert backend.traits.media_types == {PDF, JPEG, PNG, TIFF}
        assert backend.traits.needs_queue_id == connection.needs_queue_id


def test_a_connection_may_ask_for_another_generation() -> None:
    """`api: v3` opens another class, whose traits are known before it is opened; other connections keep theirs."""
    newer = docdigitizer_v3("https://docdigitizer.example")
    with closing(open_backend(newer)) as backend:
        assert type(backend) is DocDigitizerV3
    assert traits_of(newer) is DocDigitizerV3.traits
    assert (traits_of(newer).media_types, traits_of(newer).max_bytes) == ({PDF}, 52_428_800)
    assert docdigitizer_v3("https://docdigitizer.example", timeouts={"read_s": 7.0}).timeouts.read_s == 7
    assert [traits_of(one) for one in MADE] == [
        BACKENDS[t].traits for t in ("rossum", "digitoo", "docdigitizer")
    ]
    with pytest.raises(TypeError, match="ConnectionSection"):
        traits_of(ConnectionSection(name="odd", base_url="https://odd.example"))


def test_where_a_mark_is_kept() -> None:
    """A service that keeps no mark cannot tell two documents of one name apart; a raw body carries none."""
    made = [*MADE, rossum("https://acme.example/api/v1", upload={"encoding": "body"})]
    assert [_traits(one).keeps_mark for one in made] == [True, False, True, False]


def _traits(connection: ConnectionSection) -> Traits:
    with closing(open_backend(connection)) as backend:
        return backend.traits


def test_every_configurable_backend_is_listed() -> None:
    """What can be configured can be opened."""
    assert BACKENDS.keys() == CONNECTIONS.keys()


def test_largest_documents() -> None:
    """The limits of the specifications, and ours for Digitoo."""
    limits = {name: backend.traits.max_bytes for name, backend in BACKENDS.items()}
    assert limits == {"rossum": 41_943_040, "digitoo": 26_214_400, "docdigitizer": 26_214_400}


def test_unknown_connection() -> None:
    """A connection of no known kind is a programmer's mistake."""
    with pytest.raises(TypeError, match="ConnectionSection"):
        open_backend(ConnectionSection(name="odd", base_url="https://odd.example"))
