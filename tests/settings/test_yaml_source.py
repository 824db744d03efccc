import time
from pathlib import Path

import pytest

from hotfolder.settings import SettingsError
from hotfolder.settings.yaml_source import read_yaml


def value(text):
    """Return what `a` is."""
    document = read_yaml(text, Path("f"))
    assert document.problems == ()
    return document.value["a"]


def faults(text):
    """Return the problems that do not stop the reading."""
    return [str(problem) for problem in read_yaml(text, Path("f")).problems]


def refusal(text):
    """Return the one problem that stops the reading."""
    with pytest.raises(SettingsError) as caught:
        read_yaml(text, Path("f"))
    [problem] = caught.value.problems
    return str(problem)


LOOKALIKES = (
    "no yes on off y True FALSE Null 012 0o14 0x1F 1_000 +5 22:30 1e3 2026-11-21 .5 5. .inf = -0 1.2.3"
)
"""Words that YAML 1.1 or 1.2 take for something else."""


@pytest.mark.parametrize("text", [*LOOKALIKES.split(), "1234567890123456789012", "2026-11-21T08:00:00Z"])
def test_what_looks_like_text_stays_text(text):
    """The words, octals, sexagesimals, exponents and dates of YAML 1.1 come out as they were written."""
    assert value(f"a: {text}") == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("true", True), ("false", False), ("null", None), ("~", None), ("", None)],
        *[("0", 0), ("-3", -3), ("8236", 8236), ("1.5", 1.5), ("-0.25", -0.25)],
        *[("'8236'", "8236"), ('"true"', "true"), ("!!str 5", "5"), ('!!int "12"', 12)],
    ],
)
def test_plain_words_have_their_type(text, expected):
    """Only true, false, null, whole and plain decimal numbers are more than text."""
    assert value(f"a: {text}") == expected
    assert type(value(f"a: {text}")) is type(expected)


def test_every_key_is_text():
    """A number as a key stays as it was written."""
    assert read_yaml("409: a\n012: b\non: c\ntrue: d\n", Path("f")).value == {
        "409": "a",
        "012": "b",
        "on": "c",
        "true": "d",
    }


def test_a_key_twice_is_reported_with_both_lines():
    """The second place is the problem, the first one is named; quotes make no difference."""
    assert faults("a:\n  409: 1\n  b: 2\n  '409': 3\n") == [
        "f:4:3: a.409: this key is already on line 2; keep one of the two"
    ]


def test_merge_keys_yield_to_written_ones():
    """`<<` fills in what is not written, the first source first, and is no key itself."""
    text = "x: &x {p: 1, q: 2}\ny: &y {q: 3, r: 4}\na:\n  <<: [*x, *y]\n  p: 0\n"
    assert read_yaml(text, Path("f")).value["a"] == {"p": 0, "q": 2, "r": 4}


def test_merges_of_merges_are_followed():
    """A merged mapping brings along what it merged itself."""
    assert value("x: &x {p: 1}\ny: &y {<<: *x, q: 2}\na: {<<: *y}") == {"p": 1, "q": 2}


def test_a_merge_of_something_else_is_reported():
    """`<<` with text is a mistake at its own place."""
    assert faults("a: {<<: b}") == ["f:1:9: a: `<<` takes a mapping or a list of mappings, such as *name"]


def test_aliases_repeat_their_anchor():
    """An alias stands for the whole value, and its places are the anchor's."""
    document = read_yaml("a: &x [1, 2]\nb: *x\n", Path("f"))
    assert document.value["b"] == [1, 2]
    assert document.place(("b",), at_key=True).line == 2
    assert document.place(("b", 1), at_key=False).line == 1


def test_many_laughs_end_soon():
    """Aliases of aliases of aliases are cut off by number, quickly."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    begin = time.monotonic()
    assert "more than 100000 values" in refusal("\n".join(lines))
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}", "[" * 3000, "a: " + "[" * 60 + "]" * 60]
)
def test_endless_depth_is_refused(text):
    """An anchor that contains itself, and brackets without end, are told as such."""
    assert "nested deeper than 40 levels" in refusal(text)


@pytest.mark.parametrize("text", ["? [a]\n: 1", "{{a}}: 1", "? \n: 1"])
def test_a_key_is_plain_text(text):
    """A list, a mapping or nothing before the colon is a mistake."""
    assert faults(text)[0].endswith("expected a key of plain text before the colon")


@pytest.mark.parametrize(
    "text", ["!env PASSWORD", "!!python/name:os.system x", "!!binary aGk=", "!!set {x}", "!!int x", "!x [1]"]
)
def test_tags_do_nothing(text):
    """No tag resolves, constructs or imports anything."""
    assert faults(f"b: 1\na: {text}") == [
        "f:2:4: a: tags (!) are not used here; put text that starts with ! in quotes"
    ]


def test_two_escapes_of_one_character_are_joined():
    """JSON writes emoji as two escapes; half of one is no text."""
    assert value(r'a: "\ud83d\ude00"') == "😀"
    assert faults(r'a: "\ud83d"') == [
        r"f:1:4: a: half a character: a \ud800…\udfff escape without its partner"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1:1: the file is empty; `hotfolder init` writes one"),
        ("# only a comment\n", "f:1:1: the file is empty; `hotfolder init` writes one"),
        ("- a\n", "f:1:1: expected keys and values, such as `queues:`"),
        ("\nhello\n", "f:2:1: expected keys and values, such as `queues:`"),
        ("null", "f:1:1: expected keys and values, such as `queues:`"),
        ("a: 1\nb: [1\n", "f:3:1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a:\n\tb: 1\n", "f:2:1: a tab; YAML is indented with spaces"),
        ("a: b: c\n", "f:1:5: not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: *x\n", "f:2:4: text that starts with * must be in quotes, or the anchor (&) is missing"),
        ("a: &x 1\nb: &x 2\n", "f:2:4: the same anchor (&) twice"),
        ("a: @x\n", "f:1:4: not valid YAML: found character '@' that cannot start any token"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document (---) in the file; expected one"),
        ("a: 1\nb: x\x07y\n", "f:2:5: a control character that YAML does not allow"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text, message):
    """Each kind of broken file has one clear line, at its own place."""
    assert refusal(text) == message


def test_places_count_from_one_and_by_characters():
    """Keys and values are found where an editor shows them; what is missing is at its parent's key."""
    document = read_yaml("ä: 1\nb:\n  čč: [x, y]\n", Path("f"))
    assert document.place(("b", "čč"), at_key=True) == document.place(("b", "čč", "gone"), at_key=False)
    place = document.place(("b", "čč", 1), at_key=False)
    assert (place.line, place.column) == (3, 11)
    assert document.place(("gone",), at_key=True).line == 1
