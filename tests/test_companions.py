"""What companions say, in each form, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.companions import LARGEST_BYTES, CompanionError, form_of, parse
from hotfolder.model import Own

WHOLE = Own({"site": "Prague"}, {"upload:unit": "7"}, "q9", "invoice")
FORMS = {
    "json": b'{"metadata": {"site": "Prague"}, "values": {"upload:unit": "7"},'
    b' "queue_id": "q9", "document_class": "invoice"}',
    "yaml": b"metadata: {site: Prague}\nvalues:\n  'upload:unit': '7'\nqueue_id: q9\ndocument_class: invoice\n",
    "xml": b'<document>\n<metadata><site>Prague</site></metadata><values><entry name="upload:unit">7</entry></values>'
    b"<queue_id>q9</queue_id><document_class>invoice</document_class>\n</document>",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str) -> None:
    """Metadata, values, queue id and document class, in JSON, YAML and XML."""
    assert parse(FORMS[form], form) == WHOLE


@pytest.mark.parametrize(
    ("form", "content"),
    [("json", b"{}"), ("yaml", b"queue_id: null\n"), ("xml", b"<any/>"), ("json", b'{"metadata": null}')],
)
def test_everything_may_be_left_out(form: str, content: bytes) -> None:
    """A companion that says nothing is one."""
    assert parse(content, form) == Own()


@pytest.mark.parametrize(
    ("form", "content", "queue_id"),
    [
        ("json", b'{"queue_id": 8236}', "8236"),
        ("json", '{"queue_id": "žluť"}'.encode("utf-16"), "žluť"),
        ("json", b'\xef\xbb\xbf{"queue_id": "1"}', "1"),
        ("yaml", b"queue_id: 012\n", "012"),
        ("xml", '<?xml version="1.0" encoding="utf-16"?><d><queue_id>ž</queue_id></d>'.encode("utf-16"), "ž"),
        ("xml", b'<d xmlns="urn:any"><queue_id> 7 </queue_id></d>', "7"),
    ],
)
def test_a_queue_id_is_kept_as_written(form: str, content: bytes, queue_id: str) -> None:
    """Opaque text, in UTF-8 or UTF-16, whatever the namespace."""
    assert parse(content, form).queue_id == queue_id


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in b"bcdef"
)
LONG_ALIAS = b"metadata: {a: &a " + b"x" * 30_000 + b", b: [" + b"*a," * 100 + b"]}\n"
LAUGHS = b'<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><d><queue_id>&b;</queue_id></d>'


@pytest.mark.parametrize(
    ("form", "content", "says"),
    [
        ("json", b" \n", "it is empty"),
        ("json", b'{\n"metadata": ', "line 2: not valid JSON"),
        ("json", b"[1]", "expected keys and values"),
        ("json", b'{"meta": {}}', "`meta` is not known"),
        ("json", b'{"metadata": [1]}', "`metadata` must hold keys and values"),
        ("json", b'{"queue_id": true}', "`queue_id` must be a whole number or text"),
        ("json", b'{"queue_id": "a\\nb"}', "`queue_id` must be a whole number or text"),
        ("json", b'{"metadata": {"a": 1, "b": 1, "b": 2}}', "`b` stands there twice"),
        ("json", b'{"document_class": 7}', "`document_class` must be text"),
        ("json", b'{"queue_id": "1", "queue_id": "2"}', "`queue_id` stands there twice"),
        ("json", b'{"metadata": {"a": {"b": 1, "b": 2}}}', "`b` stands there twice"),
        ("json", b'{"metadata": {"a": NaN}}', "NaN is no number"),
        ("json", b'{"metadata": {"a": 1e999}}', "1e999 is no number"),
        ("json", b'{"metadata": {"a": "\\ud800"}}', "half a character"),
        ("json", b'{"metadata": {"\\udfff": 1}}', "half a character"),
        ("json", b'{"a": ' + b"9" * 5000 + b"}", "a number is too long"),
        ("json", b"[" * 60_000, "nested too deeply"),
        ("json", b'{"metadata": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}", "nested deeper than 40 levels"),
        ("yaml", b"metadata: {a: " + b"[" * 100 + b"]" * 100 + b"}\n", "nested deeper than 40 levels"),
        ("json", b'{"a": 1}\n{"\xff": 2}', "line 2: not in UTF-8"),
        ("json", b'{"a": "' + b"x" * LARGEST_BYTES + b'"}', "larger than 64 KiB"),
        ("yaml", b"# nothing\n", "expected keys and values"),
        ("yaml", b"a: 1\na: 2\n", "line 2: this key is already on line 1"),
        ("yaml", b"metadata: !!python/object {}\n", "line 1: tags (!) are not used"),
        ("yaml", BOMB, "more than 100000 values"),
        ("yaml", LONG_ALIAS, "too large once its aliases"),
        (
            "yaml",
            b"a: &a " + b"x" * 30_000 + b"\nb: [" + b"*a," * 10_000 + b"]\n",
            "characters, with the aliases",
        ),
        ("xml", LAUGHS, "line 1: a document type"),
        ("xml", b'<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>', "a document type"),
        ("xml", b"<d>\n<queue_id>", "line 2: not valid XML"),
        ("xml", b"<d><queue>7</queue></d>", "<queue> is not known"),
        ("xml", b"<d>7</d>", "text in <d>"),
        ("xml", b"<d>7<queue_id>1</queue_id></d>", "text beside <queue_id>"),
        ("xml", b"<d><metadata><a><b/></a></metadata></d>", "<b> is nested too deeply"),
        ("xml", b"<d><queue_id>1</queue_id><queue_id>2</queue_id></d>", "<queue_id> stands there twice"),
        ("xml", b"<d><values><a/><e name='a'/></values></d>", "`a` stands there twice"),
        ("xml", b'<?xml version="1.0" encoding="windows-1250"?><d/>', "encoding windows-1250"),
    ],
)
def test_what_cannot_be_used_says_why(form: str, content: bytes, says: str) -> None:
    """The mistake is named, with its line where the form has lines, and nothing is guessed or blown up."""
    with pytest.raises(CompanionError) as caught:
        parse(content, form)
    assert says in str(caught.value)


@given(st.sampled_from(sorted(FORMS)), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nothing_else_is_ever_raised(form: str, content: bytes) -> None:
    """Whatever lies there is a companion or none; and what one says can be sent."""
    try:
        own = parse(content, form)
    except CompanionError:
        return
    json.dumps([own.metadata, own.values, own.queue_id, own.document_class]).encode()


WHOLE_TEXT = st.text(st.characters(codec="utf-8"))


@given(st.dictionaries(WHOLE_TEXT, st.integers() | WHOLE_TEXT | st.booleans() | st.none()))
def test_json_metadata_comes_out_as_it_went_in(metadata: dict[str, object]) -> None:
    """Every key and value is kept."""
    assert parse(json.dumps({"metadata": metadata}).encode(), "json").metadata == metadata


def test_the_form_is_the_extension() -> None:
    """In either case of letters, and for both of YAML's."""
    assert [form_of("{stem}" + e) for e in (".json", ".YAML", ".yml", ".Xml")] == [
        "json",
        "yaml",
        "yaml",
        "xml",
    ]
