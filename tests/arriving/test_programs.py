"""Documents that programs of this machine write into the folders of a running daemon."""

from collections.abc import Callable

import pypdf
import pytest
from PIL import Image

from tests.arriving.programs import MAKING, WAYS, Making, pages_with_pauses
from tests.arriving.room import PATIENT, Spot, Way

SpotFor = Callable[[str, str], Spot]


def called(way: Callable[..., object]) -> str:
    """Name a case after its function."""
    return way.__name__


@pytest.mark.parametrize("way", WAYS, ids=called)
def test_what_a_program_writes_arrives_once(way: Way, spot_for: SpotFor) -> None:
    """However it is written, the service gets it whole, and once."""
    queue = PATIENT if way is pages_with_pauses else "to-digitoo"
    spot = spot_for(queue, f"{called(way)}.pdf")
    way(spot)
    spot.room.assert_arrived_once(spot.name, spot.content)


@pytest.mark.parametrize("making", MAKING, ids=called)
def test_what_a_program_makes_arrives_once(making: Making, spot_for: SpotFor) -> None:
    """The documents are the program's own: what arrives can be opened, with all its pages."""
    spot = spot_for("to-docdigitizer", f"{called(making)}.pdf")
    for name in making(spot):
        made = spot.scratch / name
        made.write_bytes(spot.room.assert_arrived_once(name))
        if name.endswith(".pdf"):
            assert len(pypdf.PdfReader(made).pages) == 1
        else:
            with Image.open(made) as image:
                assert getattr(image, "n_frames", 1) == (3 if name.endswith(".tif") else 1)
