"""Answers of the sandbox: JSON, problems, and the standard error body of each status and service."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hotfolder.sandbox.faults import Service

DOCDIGITIZER_CODES: Mapping[int, Mapping[str, str]] = {
    201: {"CREATED": "Created"},
    202: {"ACCEPTED": "Accepted"},
    400: {"BAD_REQUEST": "Bad request"},
    401: {"WRONG_AUTH": "Authorization refused. No such user"},
    403: {
        "NOT_ENOUGH_PERMISSIONS": "Access refused due to not enough permissions",
        "NO_LICENCE": "No license for the user's organization",
        "EXPIRED_LICENCE": "License expired",
    },
    404: {"NOT_FOUND": "Not found", "INVALID_OUTPUT_FORMAT": "Invalid output format"},
    409: {"CONFLICT": "Conflict"},
    413: {"FILE_TOO_LARGE": "The file is larger than 25 Mb"},  # not in the table: its code is invented
    415: {"FILE_TYPE_NOT_SUPPORTED": "Unsupported Media type"},
    422: {"INCOHERENT_DATA": "Special case of invalid content"},
    500: {"UNEXPECTED_ERROR": "Unexpected error"},
    501: {"NOT_IMPLEMENTED": "This feature is not implemented"},
}
"""Status, message code and text (DocDigitizer API, "Request Status"); the first code is the default."""

ROSSUM_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("Bad Request.", "bad_request"),
    401: ("Invalid token.", "authentication_failed"),
    403: ("Access to the requested resource is forbidden.", "access_forbidden"),
    404: ("Not found.", "not_found"),
    409: ("Conflict.", "conflict_status"),
    413: ("Payload Too Large.", "payload_too_large"),
    429: ("Request was rate limited.", "rate_limited"),
    500: ("Server error.", "error"),
    502: ("Bad Gateway.", "bad_gateway"),
    503: ("Service Unavailable.", "service_unavailable"),
    504: ("Gateway timeout.", "gateway_timeout"),
}
"""Status, detail and code (Rossum Upload API)."""

_COMPACT = json.JSONEncoder(separators=(",", ":"))

RATE_LIMIT_GUIDE = "https://rossum.app/api/docs/openapi/guides/overview/#rate-limiting"

DIGITOO_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("Bad request", "bad_request"),
    401: ("Unauthorized", "unauthorized"),
    404: ("Not found", "not_found"),
    413: ("Payload too large", "payload_too_large"),
    429: ("Too many requests", "too_many_requests"),
    500: ("Server error", "server_error"),
}
"""Status, message and key; the specification names 200, 400 and 500, the keys are invented."""


def reply(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON answer."""
    return Response(_COMPACT.encode(payload).encode(), status, dict(headers or {}), "application/json")


class Problem(Exception):  # noqa: N818 — an answer, not a fault of the program
    """The service says no; carries its whole answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def error_body(service: Service, status: int, code: str | None = None, text: str | None = None) -> Any:
    """Return the error body that the specification (or the likeliest guess) gives for a status."""
    if service is Service.ROSSUM:
        return _rossum_error(status, code, text)
    if service is Service.DIGITOO:
        message, key = DIGITOO_ERRORS.get(status, (f"Error {status}", f"error_{status}"))
        return {"error_key": code or key, "message": text or message}
    return _docdigitizer_error(status, code, text)


def _rossum_error(status: int, code: str | None, text: str | None) -> dict[str, Any]:
    detail, usual = ROSSUM_ERRORS.get(status, (f"Error {status}.", "error"))
    body = {"detail": text or detail, "code": code or usual}
    return body | {"url": RATE_LIMIT_GUIDE} if status == 429 else body  # noqa: PLR2004 — HTTP status


def _docdigitizer_error(status: int, code: str | None, text: str | None) -> dict[str, Any]:
    codes = DOCDIGITIZER_CODES.get(status, {})
    chosen = code or next(iter(codes), f"STATUS_{status}")
    detail = text or codes.get(chosen, f"Error {status}")
    return {
        "detail": detail,
        "status": status,
        "title": chosen.replace("_", " ").capitalize(),
        "code": chosen,
    }


def problem(service: Service, status: int, text: str | None = None, code: str | None = None) -> Problem:
    """Make the refusal of a service, ready to be raised."""
    return Problem(reply(error_body(service, status, code, text), status))
