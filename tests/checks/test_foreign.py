"""How deep others may nest what is kept of it."""

import pytest

from hotfolder.checks.foreign import MOST_LEVELS, nests_too_deeply, pruned


@pytest.mark.parametrize("wrap", [lambda inner: [1, inner], lambda inner: {"a": inner, "b": "text"}])
def test_a_level_more_is_too_deep(wrap: object) -> None:
    """Lists and mappings count alike, whatever else lies beside them."""
    assert callable(wrap)
    value = None
    for _ in range(MOST_LEVELS):
        value = wrap(value)
    assert not nests_too_deeply(value)
    assert pruned(value) == value
    assert nests_too_deeply(wrap(value))
    assert not nests_too_deeply(pruned(wrap(value)))


def test_texts_and_numbers_have_no_depth() -> None:
    """However long they are."""
    assert not any(map(nests_too_deeply, (None, "[" * 1000, 1, {}, [])))
