"""The queues: one drop folder each, and what becomes of its documents."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic.json_schema import SkipJsonSchema

from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.templates import fill
from hotfolder.schedule import Schedule, parse
from hotfolder.settings.addresses import FolderPath, WebAddress
from hotfolder.settings.connections import QueueId
from hotfolder.settings.quantities import SIZE_SCHEMA, Bytes, Seconds, Wait, duration_text, size_of
from hotfolder.settings.section import NAME_KEY, Flag, Section, Text

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "tiff": "image/tiff",
}
"""The types that every service takes, by the word that people write (IANA media types registry)."""
SYNONYMS = {"jpg": "jpeg", "tif": "tiff"}
DAY_S = 86_400.0
SETTLE_MAX_S = 120.0
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
"""Names that Windows gives to no file, whatever their extension (Microsoft Learn, "Naming Files")."""
_SAMPLE = b"document.pdf"
"""A name of a document, to see what a template makes of it."""


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """The largest document of a queue; as made by `SizeLimit()`: whatever the service takes."""

    given: bool = False
    """False: the configuration leaves it to the service."""
    size_bytes: int | None = None
    """Where given: the limit, None for no limit."""

    def in_bytes(self, service_bytes: int | None) -> int | None:
        """Return the limit that counts, None for no limit; `service_bytes` is the service's own one."""
        return self.size_bytes if self.given else service_bytes


def _size_limit(value: Any) -> SizeLimit:
    if isinstance(value, SizeLimit):
        return value
    if value is None:
        return SizeLimit()
    if value == "none":
        return SizeLimit(given=True)
    size_bytes = size_of(value)
    if not size_bytes:
        raise ValueError("expected a size above 0, or `none` for no limit")
    return SizeLimit(given=True, size_bytes=size_bytes)


def _media_type(value: Any) -> str:
    word = SYNONYMS.get(value, value) if isinstance(value, str) else None
    if word in MEDIA_TYPES:
        return MEDIA_TYPES[word]
    if word in MEDIA_TYPES.values():
        return str(word)
    raise ValueError(f"expected one of {', '.join(MEDIA_TYPES)}")


def _with_name(template: str) -> str:
    if template.count("{name}") + template.count("{stem}") != 1:
        raise ValueError("expected a name with {name} or {stem} in it, once")
    if template in {"{name}", "{stem}"}:
        raise ValueError("this is the document's own name; add an extension, such as {name}.ready")
    if "/" in template:
        raise ValueError("expected a name without /: the file lies beside its document")
    return template


def _marker(template: str) -> str:
    if template == "{name}.json":
        raise ValueError("`{name}.json` is the sidecar's name; write for example `{name}.ready`")
    ending = template.lower().rpartition(".")[2]
    if ending in MEDIA_TYPES.keys() | SYNONYMS.keys():
        raise ValueError("documents end so, and markers are removed; write for example `{name}.ready`")
    return _with_name(template)


def _companion(template: str) -> str:
    if template == "{name}.json":
        raise ValueError("`{name}.json` is the sidecar's name; write for example `{stem}.json`")
    if not template.lower().endswith((".json", ".yaml", ".yml", ".xml")):
        raise ValueError("expected a name that ends in .json, .yaml, .yml or .xml, which says how to read it")
    return _with_name(template)


def _status_file(name: str) -> str:
    if not re.fullmatch(r"\w[\w .-]{0,58}(?<! )\.txt", name, re.IGNORECASE):
        shape = "letters, digits, spaces, `.`, `_` and `-`, and .txt at its end"
        raise ValueError(f"expected a name such as STATUS.txt: {shape}")
    if name.partition(".")[0].upper() in _DEVICES:
        raise ValueError("Windows takes this name for a device; choose another one, such as STATUS.txt")
    return name


def _schedule(value: Any) -> Schedule:
    if isinstance(value, Schedule):
        return value
    return parse(value if isinstance(value, str) else "")


def _subfolder(path: str) -> str:
    parts = path.split("/")
    if not path or any(part in {"", ".", ".."} for part in parts):
        raise ValueError("expected a path below the drop folder, such as invoices or invoices/paid")
    return path


def _waiting_time(value: Any) -> Any:
    return None if value == "never" else value


MediaType = Annotated[str, BeforeValidator(_media_type), WithJsonSchema({"enum": [*MEDIA_TYPES, *SYNONYMS]})]
Hours = Annotated[Schedule, BeforeValidator(_schedule), WithJsonSchema({"type": "string", "minLength": 1})]
Largest = Annotated[
    SizeLimit,
    BeforeValidator(_size_limit),
    WithJsonSchema({"anyOf": [SIZE_SCHEMA, {"enum": ["none", None]}]}),
]


class Retain(Section):
    """How long archived documents are kept, counted from filing; null: for ever."""

    done_s: Wait | None = None
    """For done/."""
    failed_s: Wait | None = None
    """For failed/."""


class Queue(Section):
    """A drop folder and the queue of a service that it feeds."""

    name: SkipJsonSchema[str] = Field(alias=NAME_KEY)
    """The queue's key under `queues`."""
    connection: Text
    """Key of the connection that takes the documents."""
    queue_id: QueueId | None = None
    """The service's own id of its queue: number or text; DocDigitizer has none."""
    queue_ids: dict[Annotated[str, AfterValidator(_subfolder)], QueueId] = Field(default_factory=dict)
    """Ids for what is dropped into subfolders: path below the drop folder, and id; the longest path that fits counts."""
    folder: FolderPath
    """The drop folder; left out: `root`/<queue name>."""
    done: FolderPath = Field(default_factory=lambda fields: fields["folder"] / "done")
    """Where delivered documents go; left out: done/ in the drop folder."""
    failed: FolderPath = Field(default_factory=lambda fields: fields["folder"] / "failed")
    """Where refused documents go; left out: failed/ in the drop folder."""
    types: frozenset[MediaType] = Field(
        default=frozenset(MEDIA_TYPES.values()),
        min_length=1,
        json_schema_extra={"default": list(MEDIA_TYPES)},
    )
    """What is sent, by content: media types, written pdf, jpeg, png, tiff."""
    max_size: Largest = Field(default=SizeLimit(), json_schema_extra={"default": None})
    """Largest document; null: the service's own limit, `none`: no limit."""
    min_size_bytes: Bytes = 1
    """Smallest document."""
    settle_s: Seconds = 1.0
    """How long a whole, closed file must be quiet; 0s: at once."""
    settle_max_s: Seconds = Field(
        default_factory=lambda fields: max(SETTLE_MAX_S, fields["settle_s"]),
        json_schema_extra={"default": duration_text(SETTLE_MAX_S)},
    )
    """How far `settle` may grow by learning; left out: 2m, or `settle` where that is longer."""
    patience_s: Wait = 900.0
    """How long a file that never becomes whole may be quiet before it goes to failed/."""
    poll: Literal["auto", "never", "always"] = "auto"
    """Whether to look for files by polling; auto: where events do not arrive."""
    poll_interval_s: Wait | None = None
    """Time between two looks where the folder is polled; null: chosen by the kind of file system."""
    rescan_s: Wait = 60.0
    """Time between two scans of the whole folder, whatever the events say."""
    recursive: Flag = False
    """Take subfolders too, mirrored under done/ and failed/."""
    ignore: tuple[Text, ...] = ()
    """Globs of names to leave alone, on top of the built-in list."""
    ready_marker: Annotated[Text, AfterValidator(_marker)] | None = None
    """Name of the file that says that a document is complete, such as {name}.ready."""
    companion: Annotated[Text, AfterValidator(_companion)] | None = None
    """Name of the file with metadata of one document, such as {stem}.json."""
    companion_timeout_s: Annotated[Wait | None, BeforeValidator(_waiting_time)] = 600.0
    """How long a document waits for its companion; never: for ever."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Sent where the service takes it; templates {name} {stem} {folder} {queue} {sha256} {received_at}."""
    values: dict[str, Any] = Field(default_factory=dict)
    """Initial values of the document's fields, sent where the service takes them."""
    mode: Literal["single", "batch"] = "single"
    """One document per request, or many."""
    on_error: Literal["continue", "stop", "stop_without_record"] = "continue"
    """What a refused document means for the ones after it."""
    duplicates: Literal["send", "done", "fail"] = "send"
    """What to do with content that this queue already delivered: send it, or file it unsent in done/ or failed/."""
    duplicates_within_s: Wait = 90 * DAY_S
    """How long delivered content counts, from when the service took it."""
    wait_for: Literal["accepted", "imported", "processed"] = "imported"
    """Which word of the service is final; processed: until people there are done with it."""
    uncertain: Literal["hold", "resend"] = "hold"
    """What to do with a document that may have arrived, when asking the service did not help."""
    webhook_url: WebAddress | None = Field(default=None, repr=False, exclude=True)
    """Address that the service shall call; kept out of dumps, it may hold a secret."""
    retain: Retain = Retain()
    """How long archived documents are kept."""
    schedule: Hours | None = None
    """When to take documents, by the machine's clock, such as Mon-Fri 06:00-20:00; null: always."""
    give_up_after_s: Wait | None = None
    """How long to try, from its claim on, what certainly did not arrive; null: for ever."""
    document_class: Text | None = None
    """DocDigitizer's class of the documents."""
    reject_identical: Flag = False
    """Ask Rossum to refuse a document that it already has."""
    status_file: Annotated[Text, AfterValidator(_status_file)] | None = None
    """Name of a text in the drop folder that tells people how the queue fares, such as STATUS.txt."""
    results: Flag = False
    """File what the service found beside the document, as NAME.annotations.json; needs wait_for: processed."""

    def accepted(self, usual: frozenset[str]) -> frozenset[str]:
        """Return the media types that are sent: as written, else those of the four that the service takes by default."""
        return frozenset(self.types) if "types" in self.model_fields_set else self.types & usual

    def id_of_folder(self, folder: bytes) -> str | None:
        """Return the service's id for documents of a folder below the drop folder, None where none is its own."""
        ids = {os.fsencode(path): queue_id for path, queue_id in self.queue_ids.items()}
        while folder and folder not in ids:
            folder = folder.rpartition(b"/")[0]
        return ids.get(folder)

    @field_validator("ready_marker", "companion")
    @classmethod
    def _not_left_alone(cls, template: str | None, info: ValidationInfo) -> str | None:
        if template is None:
            return None
        if template == info.data.get("ready_marker"):
            raise ValueError("is `ready_marker` too; one file cannot be both")
        rule = IgnoreRules(info.data.get("ignore", ())).match(fill(template, _SAMPLE))
        if rule is not None:
            raise ValueError(f"files of such names are left alone: {rule}")
        return template

    @field_validator("status_file")
    @classmethod
    def _nobody_elses(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None:
            return None
        if rule := IgnoreRules().match(name.encode()):
            raise ValueError(f"programs leave files of such names: {rule}")
        for key in ("ready_marker", "companion"):
            before, _, after = (info.data.get(key) or "/").replace("{name}", "{stem}").partition("{stem}")
            if name.startswith(before) and name.endswith(after):
                raise ValueError(f"files of such names come with documents (`{key}`)")
        if info.data.get("folder", "") / Path(name) in {info.data.get("done"), info.data.get("failed")}:
            raise ValueError("this is a folder of documents already")
        return name

    @field_validator("settle_max_s")
    @classmethod
    def _not_below_settle(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("settle_s", 0.0):
            raise ValueError("must not be shorter than `settle`")
        return value

    @field_validator("min_size_bytes")
    @classmethod
    def _not_above_max_size(cls, value: int, info: ValidationInfo) -> int:
        limit_bytes = info.data.get("max_size", SizeLimit()).in_bytes(None)
        if limit_bytes is not None and value > limit_bytes:
            raise ValueError("must not be larger than `max_size`")
        return value
