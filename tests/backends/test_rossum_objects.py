"""Rossum's objects are read whatever is missing in them, and kept so that a record can hold them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.backends.answers import Secrets
from hotfolder.backends.rossum_objects import KEPT_BYTES, addresses, keep, left_out, listed, statuses, words

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_nothing_in_an_object_is_taken_for_granted(found: Any) -> None:
    """Any JSON where an object was promised is read without an error, and can be written down."""
    for one in (found, {"results": found, "documents": found}):
        objects = listed(one)
        assert all(isinstance(text, str) for text in addresses(one, "documents"))
        assert statuses(objects) == tuple(dict.fromkeys(statuses(objects)))
        words(objects)
        left_out(objects)
        kept = keep({}, Secrets(), upload=one)
        assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_secrets_and_control_characters_are_not_kept() -> None:
    """A token that the service echoes stands in no record, neither as a value nor as a key."""
    secrets = Secrets()
    secrets.remember("top-secret")
    kept = keep({}, secrets, task={"detail": ["a\ntop-secret"], "top-secret": 1})
    assert kept == {"task": {"detail": ["a ***"], "***": 1}}


def test_what_is_too_long_is_not_kept() -> None:
    """Objects that would blow up the journal are replaced by null; the others stay."""
    long = [{"content": "x" * 500} for _ in range(KEPT_BYTES // 500)]
    assert keep({"task": {"id": 1}}, Secrets(), annotations=long) == {"task": {"id": 1}, "annotations": None}
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    assert keep({}, Secrets(), a=deep) == {"a": [[[[[[None]]]]]]}


@pytest.mark.parametrize(
    "annotation", [{}, {"messages": None}, {"messages": {}}, {"messages": [None, [], {}]}]
)
def test_no_words(annotation: dict[str, Any]) -> None:
    """Messages may be missing, null, empty or of another shape."""
    assert words([annotation]) == ()


def test_nothing_is_left_out_of_nothing() -> None:
    """Where no document is shown there is no reason."""
    assert left_out([]) == ()
