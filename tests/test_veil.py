"""Secrets that were revealed are hidden in texts."""

import secrets
from base64 import b64encode

import pytest

from hotfolder import veil
from hotfolder.backends.answers import Secrets
from hotfolder.settings.secrets import WrittenSecret


@pytest.mark.parametrize("form", ["{}", "?token={}&x=1", "Authorization: Basic {}"])
def test_a_revealed_secret_is_hidden(form: str) -> None:
    """Whoever reveals a secret has it hidden from then on, however it is repeated."""
    secret = secrets.token_urlsafe(12) + '"/ü'
    shown = {
        "{}": secret,
        "?token={}&x=1": "",
        "Authorization: Basic {}": b64encode(secret.encode()).decode(),
    }
    told = shown[form] or secret.replace('"', "%22").replace("/", "%2F").replace("ü", "%C3%BC")
    assert veil.veiled(form.format(told)) == form.format(told)
    WrittenSecret(secret).reveal()
    assert veil.veiled(form.format(told)) == form.format(veil.MARK)


def test_a_token_of_a_service_is_hidden() -> None:
    """What a service hands out, and what an address holds, is as secret as what is configured."""
    token, in_path = secrets.token_hex(20), secrets.token_hex(10)
    known = Secrets()
    known.remember(token)
    known.conceal(f"https://dms.example/hooks/{in_path}")
    assert (
        veil.veiled(f"got {token}, called /hooks/{in_path}") == f"got {veil.MARK}, called /hooks/{veil.MARK}"
    )


def test_a_short_secret_is_left() -> None:
    """Hiding a word of every sentence would hide nothing and spoil all."""
    WrittenSecret("file").reveal()
    assert veil.veiled("the file is gone") == "the file is gone"


def test_the_memory_is_bounded_and_a_secret_in_use_stays() -> None:
    """Thousands of tokens push each other out, never the one that is revealed again and again."""
    lasting = secrets.token_hex(16)
    for _ in range(600):
        veil.remember(secrets.token_hex(16))
        veil.remember(lasting)
    assert len(veil.known()) <= 512
    assert veil.veiled(lasting) == veil.MARK
