import json
from base64 import b64encode

import pytest

from hotfolder.notices.ways import NotSentError, blotted, revealed
from hotfolder.settings.secrets import EnvironmentSecret, WrittenSecret

SECRET = 'p4ss"wörd/of a test'


def test_secrets_are_blotted_out_in_every_form():
    """As it is, in JSON, in an address, in Base64 with and without its end, in any case of letters."""
    encoded = b64encode(SECRET.encode()).decode()
    forms = [
        SECRET,
        SECRET.upper(),
        json.dumps(SECRET)[1:-1],
        encoded,
        encoded.rstrip("="),
        "p4ss%22w%C3%B6rd%2Fof%20a%20test",
    ]
    for form in forms:
        assert blotted(f"no: <{form}>!", [SECRET]) == "no: <***>!", form


def test_what_is_left_is_a_short_line():
    """Line breaks, controls and length are taken out of what a server says."""
    said = blotted("a\r\nb\x1b[31m\u202e" + "x" * 1000, [])
    assert said.isprintable()
    assert said.startswith("a b\\x1b[31m\\u202e")
    assert len(said) == 200


def test_words_are_no_secrets():
    """A secret of three letters would blot out half of a sentence."""
    assert blotted("not now", ["no"]) == "not now"


def test_a_secret_that_is_not_there():
    """It is a reason not to send, told with its place."""
    assert revealed(WrittenSecret("x")) == "x"
    with pytest.raises(NotSentError, match="HOOK is not set"):
        revealed(EnvironmentSecret("HOOK", {}))
