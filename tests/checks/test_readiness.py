"""The judgement of a file: ready, not yet, or never."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.checks.readiness import (
    EXTENSIONS,
    PLACARD_RULE,
    SHORT,
    Facts,
    NoDocument,
    NotYet,
    Ready,
    Rules,
    Unfit,
    judge,
    widened,
)
from hotfolder.checks.walk import Wholeness
from tests.builders import STAMP, facts

RULES = Rules(frozenset(SHORT), min_bytes=10, max_bytes=1000, patience_s=900.0)
BROKEN = Wholeness(whole=False, reason="the end is missing")


def sized(size: int, **changes: Any) -> Facts:
    """Make the facts of a whole PDF of a size."""
    return facts(**{"stamp": replace(STAMP, size=size), "allocated_bytes": size, **changes})


@pytest.mark.parametrize(
    ("found", "quiet_s", "kind", "says"),
    [
        (sized(100), 0, Ready, None),
        (sized(100, writer=None), 0, Ready, None),
        (sized(100, writer=True), 0, NotYet, "open for writing"),
        (sized(100, writer=True), 1e6, NotYet, "open for writing"),
        (sized(0), 0, NotYet, "empty"),
        (sized(0), 900, Unfit, "422 The file is empty. Nothing changed for 15 minutes"),
        (sized(100, allocated_bytes=50), 0, NotYet, "only 50 of its 100 bytes"),
        (sized(100, allocated_bytes=50), 900, Unfit, "422 Only 50 of its 100 bytes"),
        (sized(100, allocated_bytes=50, blocks_tell=False), 0, Ready, None),
        (sized(100, media_type=None, whole=None, blank=True), 0, NotYet, "zero bytes"),
        (sized(100, whole=BROKEN), 0, NotYet, "the end is missing"),
        (sized(100, whole=BROKEN), 899.9, NotYet, "the end is missing"),
        (sized(100, whole=BROKEN), 900, Unfit, "422 The end is missing"),
        (sized(9), 0, NotYet, "fewer than this queue's `min_size`"),
        (sized(9), 900, Unfit, "422 The file has 9 bytes"),
        (sized(10), 0, Ready, None),
        (sized(1000), 0, Ready, None),
        (sized(1001), 0, Unfit, "413 The file has 1001 bytes; at most 1000"),
        (sized(100, media_type=None, whole=None), 0, Unfit, "415 Its content is of no known document type"),
        (
            sized(100, media_type=None, whole=None, looks_like="a ZIP archive"),
            0,
            Unfit,
            "415 Its content is a ZIP",
        ),
        (sized(2000, media_type=None, whole=None), 0, Unfit, "415"),
    ],
)
def test_judgement(found: Facts, quiet_s: float, kind: type, says: str | None) -> None:
    """Each fact has its consequence, and writer, incompleteness, type and size are asked for in this order."""
    verdict = judge(found, quiet_s, RULES, ".pdf")
    assert type(verdict) is kind
    if isinstance(verdict, NotYet):
        assert says is not None
        assert says in verdict.reason
    if isinstance(verdict, Unfit):
        assert says is not None
        assert f"{verdict.answer.status_code} {(verdict.answer.messages or ('',))[0]}".startswith(says)


@pytest.mark.parametrize(
    ("found", "key"), [(sized(0), "INCOHERENT_DATA"), (sized(100, whole=BROKEN), "INCOHERENT_DATA")]
)
def test_the_keys_of_the_specification(found: Facts, key: str) -> None:
    """A file that never became whole has the specification's error key."""
    verdict = judge(found, 1e4, RULES, ".pdf")
    assert isinstance(verdict, Unfit)
    assert verdict.answer.error_key == key


def test_no_limit() -> None:
    """Without a largest size, none is too large."""
    assert isinstance(judge(sized(10**12), 0, replace(RULES, max_bytes=None), ".pdf"), Ready)


def test_types_of_the_queue() -> None:
    """A queue that takes PDF alone refuses a PNG and says what it takes."""
    verdict = judge(
        sized(100, media_type="image/png"), 0, replace(RULES, media_types=frozenset({"application/pdf"})), ""
    )
    assert isinstance(verdict, Unfit)
    assert verdict.answer.status_code == 415
    assert verdict.answer.messages == (
        "Its content is a PNG; this queue takes PDF. Save it in one of these formats.",
    )


@pytest.mark.parametrize(("media_type", "usual"), EXTENSIONS.items())
def test_the_usual_extensions_pass_without_a_word(media_type: str, usual: tuple[str, ...]) -> None:
    """The extensions of a type, in any case, and none at all, give no warning."""
    for extension in (*usual, *(e.upper() for e in usual), ""):
        assert judge(sized(100, media_type=media_type), 0, RULES, extension) == Ready(media_type)


def test_another_extension_is_warned_about() -> None:
    """A PNG that is named .pdf goes out as what it is, and the sidecar says so."""
    assert judge(sized(100, media_type="image/png"), 0, RULES, ".pdf") == Ready(
        "image/png", "the name ends in .pdf, but the content is PNG; sent as image/png"
    )


ANY_FACTS = st.builds(
    facts,
    stamp=st.builds(replace, st.just(STAMP), size=st.integers(0, 2000)),
    allocated_bytes=st.integers(0, 2000),
    blocks_tell=st.booleans(),
    writer=st.sampled_from([True, False, None]),
    media_type=st.sampled_from([None, *SHORT]),
    looks_like=st.none() | st.text(max_size=20),
    blank=st.booleans(),
).flatmap(
    lambda f: st.sampled_from(
        [replace(f, whole=None)]
        if f.media_type is None
        else [replace(f, whole=Wholeness(whole=True)), replace(f, whole=BROKEN)]
    )
)
ANY_RULES = st.builds(
    Rules,
    st.frozensets(st.sampled_from(sorted(SHORT)), min_size=1),
    st.integers(0, 100),
    st.none() | st.integers(1, 2000),
    st.floats(0, 1e6),
)


@given(ANY_FACTS, st.floats(0, 1e7), ANY_RULES, st.text(max_size=6))
def test_what_no_judgement_ever_does(found: Facts, quiet_s: float, rules: Rules, extension: str) -> None:
    """Ready only without a writer, whole, of a taken type and size; what is not complete is given patience."""
    verdict = judge(found, quiet_s, rules, extension)
    complete = found.stamp.size >= max(rules.min_bytes, 1) and not found.blank
    complete &= not found.blocks_tell or found.allocated_bytes >= found.stamp.size
    complete &= found.whole is None or found.whole.whole
    if isinstance(verdict, Ready):
        assert not found.writer
        assert complete
        assert found.whole is not None
        assert verdict.media_type in rules.media_types
        assert rules.max_bytes is None or found.stamp.size <= rules.max_bytes
    if found.writer:
        assert isinstance(verdict, NotYet)
    if not complete and quiet_s < rules.patience_s:
        assert isinstance(verdict, NotYet)
    if isinstance(verdict, NotYet):
        assert 0 < verdict.look_again_s <= 30
        assert verdict.reason
        assert found.writer or quiet_s < rules.patience_s
    if isinstance(verdict, Unfit):
        assert verdict.answer.status_code in {413, 415, 422}
        assert verdict.answer.messages
        assert verdict.answer.document_ids is None


@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 1000))
def test_the_window_grows_within_bounds(window_s: float, gap_s: float, ceiling_s: float) -> None:
    """A settle window never shrinks, never passes its ceiling by learning, and outlasts the gap below it."""
    grown = widened(window_s, gap_s, ceiling_s)
    assert grown >= window_s
    assert grown <= max(window_s, ceiling_s)
    if 2 * gap_s <= ceiling_s:
        assert grown >= 2 * gap_s


@pytest.mark.parametrize(
    ("extension", "writer", "kind"),
    [
        (".json", False, NoDocument),
        (".JSON", None, NoDocument),
        (".json", True, NotYet),
        (".txt", False, Unfit),
    ],
)
def test_a_record_is_no_document(
    extension: str,
    writer: bool | None,  # noqa: FBT001 — a parameter
    kind: type,
) -> None:
    """A sidecar that was moved along with its document is left alone once it is written, under its own ending only."""
    found = facts(media_type=None, whole=None, record=True, writer=writer, looks_like="plain text")
    assert type(judge(found, 0.0, RULES, extension)) is kind


@pytest.mark.parametrize("extension", [".txt", ".pdf", ""])
def test_a_status_file_is_no_document(extension: str) -> None:
    """One that was copied into another queue, or that its queue does not write any more, is left alone."""
    found = facts(media_type=None, whole=None, placard=True, looks_like="plain text")
    assert judge(found, 0.0, RULES, extension) == NoDocument(PLACARD_RULE)


def test_a_hard_link_to_a_file_of_somebody_else_waits_and_is_then_refused() -> None:
    """It could be a file that whoever put it here may not read."""
    rules = Rules(frozenset({"application/pdf"}), 1, None, 60.0)
    waiting = judge(facts(borrowed=True), 1.0, rules, ".pdf")
    assert isinstance(waiting, NotYet)
    assert "hard link" in waiting.reason
    refused = judge(facts(borrowed=True), 61.0, rules, ".pdf")
    assert isinstance(refused, Unfit)
    assert refused.answer.status_code == 422
    assert "Copy it" in (refused.answer.messages or ("",))[0]


@pytest.mark.parametrize("found", [{}, {"size": 0}])
def test_what_may_not_be_moved_waits_for_ever(found: dict[str, int]) -> None:
    """It can be neither claimed nor filed in failed/, whole or not: it waits, and the reason says whose right is missing."""
    held = facts(held=True)
    held = replace(held, stamp=replace(held.stamp, **found))
    waiting = judge(held, 1e6, Rules(frozenset({"application/pdf"}), 1, None, 60.0), ".pdf")
    assert isinstance(waiting, NotYet)
    assert "may not move it out of its folder" in waiting.reason
