import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.settings.quantities import (
    LONGEST_S,
    UNITS_BYTES,
    UNITS_MS,
    duration_text,
    parse_duration_s,
    parse_size_bytes,
)


@given(st.integers(0, int(LONGEST_S * 1000)))
def test_a_written_duration_reads_back(milliseconds):
    """Every whole number of milliseconds up to the limit survives writing and reading."""
    assert round(parse_duration_s(duration_text(milliseconds / 1000)) * 1000) == milliseconds


@given(st.integers(1, 3000), st.sampled_from(sorted(UNITS_MS)))
def test_a_duration_is_number_times_unit(number, unit):
    """`7d` is seven times a day, for every number and unit."""
    assert parse_duration_s(f"{number}{unit}") == number * UNITS_MS[unit] / 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1.5s", 1.5),
        ("10m", 600),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_durations_as_people_write_them(text, seconds):
    """The forms of the documentation mean what they say."""
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "2", "2 s", "2S", "2x", "-2s", "30m1h", "1h1h", "2s\n", "1e3s", "٣s", "1.s"]
)
def test_what_is_no_duration_is_refused(text):
    """Bare numbers, unknown units, wrong order and signs are no durations."""
    with pytest.raises(ValueError, match=r"duration|unit"):
        parse_duration_s(text)


def test_a_duration_beyond_ten_years_is_refused():
    """A slip of the finger does not become a wait for a lifetime."""
    with pytest.raises(ValueError, match="ten years"):
        parse_duration_s("3651d")


@given(st.integers(0, 10**15 - 1), st.sampled_from(sorted(UNITS_BYTES)), st.sampled_from(["", " "]))
def test_a_size_is_number_times_unit(number, unit, space):
    """`25MiB` is 25 times 2**20, for every number and unit, with or without a space."""
    assert parse_size_bytes(f"{number}{space if unit else ''}{unit}") == number * UNITS_BYTES[unit]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("25MiB", 26_214_400),
        ("40MB", 40_000_000),
        ("1GiB", 2**30),
        ("512kB", 512_000),
        ("1.5KiB", 1536),
        ("7", 7),
    ],
)
def test_sizes_as_people_write_them(text, size):
    """The forms of the documentation mean what they say."""
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "25mb", "25M", "25Mb", "-1", "1_000", "1,5MB", "1MB\n", "25 MiBs", "0x10"]
)
def test_what_is_no_size_is_refused(text):
    """Ambiguous and unknown units, signs and separators are no sizes."""
    with pytest.raises(ValueError, match="expected a size"):
        parse_size_bytes(text)


@pytest.mark.parametrize("written", ["30", "1.5", "'30'"])
def test_a_bare_number_in_the_file_needs_its_unit(queue_complaints, written):
    """A number without unit is refused with what to write instead."""
    assert queue_complaints(f"patience: {written}") == [
        "9:15: queues.q.patience: a number needs its unit: write 30s, 10m, 1h or 7d"
    ]


def test_a_bare_nought_needs_no_unit(load_queue):
    """0 is the same in every unit."""
    assert load_queue("settle: 0").settle_s == 0


@pytest.mark.parametrize("written", ["true", "[1s]", "{s: 1}", "null"])
def test_other_values_are_no_durations(queue_complaints, written):
    """A value of another kind is refused with examples."""
    assert "expected a duration such as" in queue_complaints(f"rescan: {written}")[0]


@pytest.mark.parametrize("key", ["rescan", "patience", "poll_interval"])
def test_a_wait_of_nothing_is_refused(queue_complaints, key):
    """What would spin at 0s must be longer."""
    assert queue_complaints(f"{key}: 0s") == [
        f"9:{7 + len(key)}: queues.q.{key}: the duration must be longer than 0s"
    ]
