"""Rossum's objects as the API shows them, with every field that its client knows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hotfolder.sandbox.faults import Fate
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.rossum_objects import (
    ORGANIZATION_ID,
    SCHEMA_ID,
    USER_ID,
    WORKSPACE_ID,
    Imported,
    Relation,
    Upload,
)

TASK_LIFETIME = timedelta(hours=6)
"""As in the recorded answers of the official client's tests."""


def moment_text(seconds: float) -> str:
    """Write seconds since 1970 the way Rossum does: UTC, microseconds, `Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class View:
    """Objects as the API shows them, with addresses below `base` (`https://host/api/v1`)."""

    def __init__(self, base: str, options: SandboxOptions) -> None:
        self.base = base
        self.options = options

    def url(self, kind: str, number: int) -> str:
        """Return the address of an object."""
        return f"{self.base}/{kind}/{number}"

    def urls(self, kind: str, numbers: Sequence[int | None]) -> list[str]:
        """Return the addresses of those objects that exist."""
        return [self.url(kind, number) for number in numbers if number is not None]

    def task(self, upload: Upload) -> dict[str, Any]:
        """Show a task; each look brings it nearer to its end."""
        running = upload.task_reads < self.options.rossum_task_polls
        upload.task_reads += 1
        body: dict[str, Any] = {
            "id": upload.task_id,
            "url": self.url("tasks", upload.task_id),
            "type": "upload_created",
            "status": "running",
            "expires_at": moment_text(upload.at + TASK_LIFETIME.total_seconds()),
            "detail": None,
            "content": None,
            "code": None,
            "result_url": None,
        }
        if running:
            return body
        if upload.failed:
            return body | {"status": "failed", "detail": "Import failed. Error id: 5a4d3b", "code": "error"}
        result = self.url("uploads", upload.upload_id)
        content = None if self.options.rossum_nulls else {"upload": result}
        return body | {"status": "succeeded", "content": content, "result_url": result}

    def upload(self, upload: Upload) -> dict[str, Any]:
        """Show an upload."""
        annotated = [*upload.files, *upload.additional]
        shown = {
            "id": upload.upload_id,
            "url": self.url("uploads", upload.upload_id),
            "queue": self.url("queues", upload.queue_id),
            "organization": self.url("organizations", ORGANIZATION_ID),
            "creator": self.url("users", USER_ID),
            "created_at": moment_text(upload.at),
            "email": None,
            "documents": self._mixed(1, self.urls("documents", [file.document_id for file in upload.files])),
            "additional_documents": self.urls("documents", [file.document_id for file in upload.additional]),
            "annotations": self._mixed(
                2, self.urls("annotations", [file.annotation_id for file in annotated])
            ),
        }
        if self.options.rossum_nulls:
            shown["creator"] = None
            shown |= {name: shown[name] or None for name in ("additional_documents", "annotations")}
        return shown

    def _mixed(self, seed: int, urls: list[str]) -> list[str]:
        """Return addresses in the order in which an upload shows them."""
        return Random(seed).sample(urls, len(urls)) if self.options.rossum_shuffle else urls  # noqa: S311 — repeatable

    def document(self, file: Imported) -> dict[str, Any]:
        """Show a document."""
        url = self.url("documents", file.document_id)
        return {
            "id": file.document_id,
            "url": url,
            "s3_name": f"{file.document_id:032x}",
            "parent": None,
            "email": None,
            "mime_type": file.mime_type,
            "creator": self.url("users", USER_ID),
            "created_at": moment_text(file.upload.at),
            "arrived_at": moment_text(file.upload.at),
            "original_file_name": file.file_name,
            "content": f"{url}/content",
            "attachment_status": file.attachment_status,
            "metadata": {},
            "annotations": self.urls("annotations", [file.annotation_id]),
        }

    def annotation(self, file: Imported, annotation_id: int, relation: Relation | None) -> dict[str, Any]:
        """Show an annotation; each look brings it nearer to the end of its import, and beyond."""
        status = self._status(file)
        url = self.url("annotations", annotation_id)
        created_at = moment_text(file.upload.at)
        absent = (
            *("modifier", "modified_by", "modified_at", "assigned_at", "rir_poll_id", "email"),
            *("email_thread", "suggested_edit", "prediction", "automation_blocker", "einvoice"),
            *("confirmed_at", "exported_at", "purged_at", "rejected_at", "deleted_at", "export_failed_at"),
            *("confirmed_by", "exported_by", "purged_by", "rejected_by", "deleted_by"),
        )
        happened = {f"{status}_at": created_at} if f"{status}_at" in absent else {}
        return (
            dict.fromkeys(absent)
            | happened
            | {
                "id": annotation_id,
                "url": url,
                "status": status,
                "messages": file.messages,
                "schema": self.url("schemas", SCHEMA_ID),
                "content": f"{url}/content",
                "queue": self.url("queues", file.upload.queue_id),
                "document": self.url("documents", file.document_id),
                "organization": self.url("organizations", ORGANIZATION_ID),
                "creator": self.url("users", USER_ID),
                "created_at": created_at,
                "arrived_at": created_at,
                "metadata": {} if file.by_hook else file.upload.metadata,
                "relations": [self.url("relations", relation.number)] if relation else [],
                "pages": [],
                "assignees": [],
                "labels": [],
                "related_emails": [],
                "time_spent": 0.0,
                "automated": False,
                "automatically_rejected": False,
                "restricted_access": False,
                "training_enabled": True,
                "has_email_thread_with_replies": False,
                "has_email_thread_with_new_replies": False,
            }
        )

    def _status(self, file: Imported) -> str:
        """Return the status that this look sees."""
        looks, importing = file.reads, self.options.rossum_annotation_polls
        file.reads += 1
        if file.ordered is not None:
            return file.ordered
        if looks < importing:
            return "importing"
        if file.fate is Fate.FAILED_IMPORT:
            return "failed_import"
        later = self.options.rossum_statuses
        return later[min(looks - importing, len(later) - 1)]

    def content(self, file: Imported, annotation_id: int) -> dict[str, Any]:
        """Show what was read from a document: one section, whose first values are those it was sent with."""
        sent = {name.removeprefix("upload:"): value for name, value in file.upload.values.items()}
        found = {f"field_{n}": f"value {n}" for n in range(self.options.rossum_datapoints)}
        url = f"{self.url('annotations', annotation_id)}/content"
        section = annotation_id * 1_000_000
        points = [
            {
                "id": section + n,
                "url": f"{url}/{section + n}",
                "schema_id": name,
                "category": "datapoint",
                "content": {"value": value, "page": 1, "position": [10, 10 * n, 90, 10 * n + 8]},
                "validation_sources": [] if name in sent else ["score"],
                "hidden": False,
                "time_spent": 0.0,
            }
            for n, (name, value) in enumerate((sent | found).items(), 1)
        ]
        whole = {
            "id": section,
            "url": f"{url}/{section}",
            "schema_id": "sandbox_section",
            "category": "section",
            "children": points,
        }
        return {"content": [whole]}

    def relation(self, relation: Relation) -> dict[str, Any]:
        """Show the relation of identical documents."""
        return {
            "id": relation.number,
            "type": "duplicate",
            "key": relation.md5,
            "parent": None,
            "annotations": self.urls("annotations", relation.annotations),
            "url": self.url("relations", relation.number),
        }

    def queue(self, queue_id: int) -> dict[str, Any]:
        """Show a queue."""
        return {
            "id": queue_id,
            "name": f"Sandbox {queue_id}",
            "url": self.url("queues", queue_id),
            "workspace": self.url("workspaces", WORKSPACE_ID),
            "connector": None,
            "schema": self.url("schemas", SCHEMA_ID),
            "inbox": None,
            "counts": {},
            "users": [self.url("users", USER_ID)],
            "hooks": [],
            "webhooks": [],
            "locale": "en_GB",
            "metadata": {},
            "settings": {"accepted_mime_types": list(self.options.rossum_accepted_mime_types)},
            "status": self.options.rossum_queue_status,
            "session_timeout": "01:00:00",
            "rir_url": None,
            "rir_params": None,
            "automation_enabled": False,
            "automation_level": "never",
            "default_score_threshold": 0.8,
            "dedicated_engine": None,
            "generic_engine": None,
            "engine": None,
            "training_enabled": True,
            "use_confirmed_state": False,
            "document_lifetime": None,
            "delete_after": None,
        }

    def user(self, name: str) -> dict[str, Any]:
        """Show the one user."""
        return {
            "id": USER_ID,
            "url": self.url("users", USER_ID),
            "username": name,
            "email": name,
            "first_name": "Sandbox",
            "last_name": "Scanner",
            "date_joined": "2024-01-01T00:00:00.000000Z",
            "organization": self.url("organizations", ORGANIZATION_ID),
            "queues": self.urls("queues", self.options.rossum_queues),
            "groups": [],
            "is_active": True,
            "auth_type": "password",
            "last_login": None,
            "email_verified": True,
            "ui_settings": {},
            "metadata": {},
            "oidc_id": None,
            "deleted": False,
        }
