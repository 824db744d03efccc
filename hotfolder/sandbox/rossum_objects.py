"""Rossum's objects: uploads with their tasks, documents, annotations and duplicate relations."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from hotfolder.sandbox.faults import Fate

ORGANIZATION_ID, USER_ID, WORKSPACE_ID, SCHEMA_ID = 406, 10775, 7540, 31336
FIRST_TASK_ID, FIRST_UPLOAD_ID, FIRST_DOCUMENT_ID, FIRST_ANNOTATION_ID = 315509, 314528, 254322, 104322
"""The identifiers of the specification's examples; the sandbox counts up from them."""


@dataclass(slots=True)
class Imported:
    """One uploaded file: a document and, unless its import was prevented, an annotation."""

    document_id: int
    annotation_id: int | None
    file_name: str
    mime_type: str
    sha256: str
    md5: str | None
    attachment_status: str | None
    upload: "Upload"
    by_hook: bool = False
    fate: Fate = Fate.IMPORTED
    reads: int = 0
    ordered: str | None = None
    """The annotation's status by order; None: as the looks at it bring it."""
    messages: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class Upload:
    """One accepted upload; its task tells of it first."""

    task_id: int
    upload_id: int
    queue_id: int
    at: float
    metadata: dict[str, Any]
    values: dict[str, Any]
    failed: bool = False
    """Whether its task fails."""
    files: list[Imported] = field(default_factory=list)
    additional: list[Imported] = field(default_factory=list)
    """What a hook added."""
    task_reads: int = 0


@dataclass(slots=True)
class Relation:
    """Annotations of one content; the service shows it from the second import on."""

    number: int
    md5: str
    annotations: list[int] = field(default_factory=list)

    @property
    def shown(self) -> bool:
        """True once there is a duplicate."""
        return len(self.annotations) > 1


@dataclass(slots=True)
class Rossum:
    """All objects of the one organization, by their identifiers, in the order of their creation."""

    tasks: dict[int, Upload] = field(default_factory=dict)
    uploads: dict[int, Upload] = field(default_factory=dict)
    documents: dict[int, Imported] = field(default_factory=dict)
    annotations: dict[int, Imported] = field(default_factory=dict)
    identical: set[tuple[str, str]] = field(default_factory=set)
    """Name and SHA-256 of every document, for `reject_identical`."""
    relations: dict[str, Relation] = field(default_factory=dict)
    """By the MD5 of the content."""

    def add_upload(
        self, queue_id: int, at: float, metadata: dict[str, Any], values: dict[str, Any]
    ) -> Upload:
        """Make an upload and its task."""
        number = len(self.uploads)
        upload = Upload(FIRST_TASK_ID + number, FIRST_UPLOAD_ID + number, queue_id, at, metadata, values)
        self.tasks[upload.task_id] = self.uploads[upload.upload_id] = upload
        return upload

    def add_file(
        self,
        upload: Upload,
        name: str,
        mime_type: str,
        sums: tuple[str, str | None],
        status: str | None,
        fate: Fate = Fate.IMPORTED,
    ) -> Imported:
        """Add a document to an upload, with an annotation unless `status` says why there is none."""
        annotated = status is None and not upload.failed and fate is not Fate.NO_ANNOTATION
        imported = self._add(upload, name, mime_type, sums, status, annotated=annotated)
        imported.fate = fate
        upload.files.append(imported)
        if not upload.failed:
            self.identical.add((name, imported.sha256))
        return imported

    def add_by_hook(self, upload: Upload, name: str) -> None:
        """Add a document that a hook made: it has an annotation like any other."""
        no_content = hashlib.sha256().hexdigest(), None
        added = self._add(upload, name, "application/pdf", no_content, None, annotated=True)
        added.by_hook = True
        upload.additional.append(added)

    def _add(
        self,
        upload: Upload,
        name: str,
        mime_type: str,
        sums: tuple[str, str | None],
        status: str | None,
        *,
        annotated: bool,
    ) -> Imported:
        annotation_id = FIRST_ANNOTATION_ID + len(self.annotations) if annotated else None
        document_id = FIRST_DOCUMENT_ID + len(self.documents)
        imported = Imported(document_id, annotation_id, name, mime_type, *sums, status, upload)
        self.documents[document_id] = imported
        if annotation_id is not None:
            self.annotations[annotation_id] = imported
            if imported.md5 is not None:
                empty = Relation(len(self.relations) + 1, imported.md5)
                self.relations.setdefault(imported.md5, empty).annotations.append(annotation_id)
        return imported

    def relation_of(self, file: Imported) -> Relation | None:
        """Return the relation that a document's annotation belongs to, if there is a duplicate."""
        relation = self.relations.get(file.md5 or "")
        return relation if relation is not None and relation.shown else None
