"""Where the program's own web server listens, and what those who ask it must show."""

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo, model_validator

from hotfolder.settings.addresses import Listen, ReadableFile, is_loopback
from hotfolder.settings.secrets import OTHERS, Secret, SecretUnavailable
from hotfolder.settings.section import Section, origin_of

SHORTEST_TOKEN = 16
"""Characters: of random letters and digits these are some 90 bits, which nobody guesses over a network."""


def _long(token: Secret, info: ValidationInfo) -> Secret:
    origin = origin_of(info)
    if origin and origin.look:
        try:
            short = len(token.reveal()) < SHORTEST_TOKEN
        except SecretUnavailable:
            short = False  # said already
        if short:
            raise ValueError(
                f"the token is shorter than {SHORTEST_TOKEN} characters and can be guessed; "
                "make one with `openssl rand -hex 32`"
            )
    return token


def _private(path: ReadableFile, info: ValidationInfo) -> ReadableFile:
    origin = origin_of(info)
    if origin and origin.look and path.stat().st_mode & OTHERS:
        raise ValueError(f"the key {path} is open to everybody; run: chmod o-rwx {path}")
    return path


class Tls(Section):
    """The certificate that the web server shows, and whose certificates it asks for; read anew at each reload."""

    certificate: ReadableFile
    """PEM file of its certificate, with the certificates between that and the authority behind it."""
    key: Annotated[ReadableFile, AfterValidator(_private)] | None = None
    """PEM file of the certificate's key; null: it stands in the file of the certificate."""
    client_ca: ReadableFile | None = None
    """PEM file of the authorities whose certificates callers must show (mutual TLS); null: none is asked for."""


class Http(Section):
    """The program's own web server: `/healthz`, `/readyz`, `/metrics`, `/api/status`, `/webhooks/CONNECTION`."""

    listen: Listen
    """HOST:PORT to listen on."""
    token: Annotated[Secret, AfterValidator(_long)] | None = None
    """What whoever asks for figures and states must send (`Authorization: Bearer TOKEN`); null: nothing."""
    tls: Tls | None = None
    """Speak TLS, and know callers by their certificates; null: plain HTTP."""

    @property
    def host(self) -> str:
        """Return the name or address to listen on, IPv6 without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def within_machine(self) -> bool:
        """Tell whether only this machine can reach the address."""
        return is_loopback(self.host)

    @property
    def asks_for_certificates(self) -> bool:
        """Tell whether callers must show a certificate."""
        return self.tls is not None and self.tls.client_ca is not None

    @model_validator(mode="after")
    def _guarded(self) -> "Http":
        if not self.within_machine and self.token is None and not self.asks_for_certificates:
            raise ValueError(
                f"other machines could reach {self.listen} and read everything: give `token`, or `tls` with "
                "`client_ca`, or listen on 127.0.0.1"
            )
        return self
