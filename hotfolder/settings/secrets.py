"""Passwords, tokens and keys: where they are kept, read anew at each use, never shown."""

import os
import re
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from hotfolder import veil
from hotfolder.settings.section import Origin, origin_of

LARGEST_BYTES = 64 * 1024
"""A secret is a line; more than this is the wrong file."""
OTHERS = stat.S_IROTH | stat.S_IWOTH
SHAPES = "{file: PATH}, {env: NAME}, {credential: NAME} or text in quotes"


class SecretUnavailable(Exception):  # noqa: N818 — names the state of the secret, as the operator reads it
    """A secret cannot be had now; `str()` says where it was looked for and what to do, without the value."""


class Secret(ABC):
    """Something to be kept quiet: its text leaves only through `reveal`."""

    __slots__ = ()

    def reveal(self) -> str:
        """Return the secret as it stands now, without one trailing newline.

        Raises `SecretUnavailable` where it is missing, empty, unreadable or readable by everybody.
        """
        text = self._read()
        text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        if not text:
            raise SecretUnavailable(f"{self._place()} is empty; put the secret there")
        veil.remember(text)
        return text

    @abstractmethod
    def _read(self) -> str: ...

    @abstractmethod
    def _place(self) -> str: ...

    def __repr__(self) -> str:
        return f"<secret: {self._place()}>"

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        return core_schema.with_info_plain_validator_function(
            _validated, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        references = [_reference_schema(kind) for kind in _REFERENCES]
        return {"anyOf": [{"type": "string", "minLength": 1}, *references]}


@dataclass(frozen=True, slots=True, repr=False)
class WrittenSecret(Secret):
    """A secret that stands in the configuration itself."""

    text: str

    def _read(self) -> str:
        return self.text

    def _place(self) -> str:
        return "text in the configuration"


@dataclass(frozen=True, slots=True, repr=False)
class FileSecret(Secret):
    """A secret in a file of its own."""

    path: Path

    def _read(self) -> str:
        return _read_private(self.path)

    def _place(self) -> str:
        return f"the secret file {self.path}"


@dataclass(frozen=True, slots=True, repr=False)
class EnvironmentSecret(Secret):
    """A secret in an environment variable."""

    name: str
    environ: Mapping[str, str] = field(compare=False)

    def _read(self) -> str:
        try:
            return self.environ[self.name]
        except KeyError:
            raise SecretUnavailable(f"{self._place()} is not set; set it for this program") from None

    def _place(self) -> str:
        return f"the environment variable {self.name}"


@dataclass(frozen=True, slots=True, repr=False)
class CredentialSecret(Secret):
    """A secret that systemd hands over (LoadCredential=, LoadCredentialEncrypted=)."""

    name: str
    environ: Mapping[str, str] = field(compare=False)

    def _read(self) -> str:
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise SecretUnavailable(
                f"{self._place()} is not there: CREDENTIALS_DIRECTORY is not set; "
                f"start the program with systemd and LoadCredential={self.name}"
            )
        return _read_private(Path(directory, self.name))

    def _place(self) -> str:
        return f"the credential {self.name}"


def credentials_in(part: Any) -> set[str]:
    """Return the names of what systemd hands over for a configuration."""
    if isinstance(part, CredentialSecret):
        return {part.name}
    return {name for one in _parts(part) for name in credentials_in(one)}


def secret_files(part: Any, source: Path) -> set[Path]:
    """Return the files that hold the secrets of a configuration, itself (`source`) where one is written in it."""
    if isinstance(part, FileSecret):
        return {part.path}
    if isinstance(part, WrittenSecret):
        return {source}
    return {path for one in _parts(part) for path in secret_files(one, source)}


def _parts(whole: Any) -> Iterable[Any]:
    """Return what a section, a mapping or a list consists of."""
    if isinstance(whole, BaseModel):
        whole = dict(whole)
    return whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list | tuple) else ()


def _read_private(path: Path) -> str:
    """Read a small file that nobody else can read; a pipe or a device is refused before it can block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            content = file.read(LARGEST_BYTES + 1) if stat.S_ISREG(mode) and not mode & OTHERS else b""
    except OSError as error:
        raise SecretUnavailable(
            f"the secret file {path} cannot be read ({error.strerror or error}); "
            "create it, readable by this program's user alone"
        ) from None
    if not stat.S_ISREG(mode):
        raise SecretUnavailable(f"the secret file {path} is no regular file; put the secret into one")
    if mode & OTHERS:
        raise SecretUnavailable(f"the secret file {path} is open to everybody; run: chmod o-rwx {path}")
    if len(content) > LARGEST_BYTES:
        raise SecretUnavailable(f"the secret file {path} is larger than 64 KiB; it is the wrong file")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # Not chained: that exception carries the bytes.
        pass
    raise SecretUnavailable(f"the secret file {path} is not UTF-8 text; save it as such")


def _file(value: str, origin: Origin) -> Secret:
    if value.startswith("~"):
        raise ValueError("write the whole path of the secret file: ~ is not expanded")
    return FileSecret(Path(os.path.normpath(origin.folder / value)))


def _environment(value: str, origin: Origin) -> Secret:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("{env: NAME} takes the name of a variable: letters, digits and _")
    return EnvironmentSecret(value, origin.environ)


def _credential(value: str, origin: Origin) -> Secret:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]*", value):
        raise ValueError("{credential: NAME} takes the name of a systemd credential, no path")
    return CredentialSecret(value, origin.environ)


_REFERENCES = {"file": _file, "env": _environment, "credential": _credential}


def _reference_schema(kind: str) -> JsonSchemaValue:
    return {
        "type": "object",
        "properties": {kind: {"type": "string", "minLength": 1}},
        "required": [kind],
        "additionalProperties": False,
    }


def _parsed(value: Any, origin: Origin | None) -> Secret:
    if isinstance(value, str):
        if not value:
            raise ValueError(f"the secret is empty; expected {SHAPES}")
        return WrittenSecret(value)
    if isinstance(value, dict) and len(value) == 1 and origin:
        kind, where = next(iter(value.items()))
        # An unknown key is not named: `{hunter2}` is a mapping whose key is the secret.
        if kind in _REFERENCES and isinstance(where, str) and where and where.isprintable():
            return _REFERENCES[kind](where, origin)
    raise ValueError(f"expected a secret: {SHAPES}")


def _validated(value: Any, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    origin = origin_of(info)
    secret = _parsed(value, origin)
    if origin and origin.look and (origin.handed_over or not isinstance(secret, CredentialSecret)):
        try:
            secret.reveal()
        except SecretUnavailable as error:
            raise ValueError(str(error)) from None
    return secret
