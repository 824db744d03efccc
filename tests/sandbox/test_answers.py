"""Standard error bodies."""

import pytest

from hotfolder.sandbox.answers import error_body, reply
from hotfolder.sandbox.faults import Service


@pytest.mark.parametrize(
    ("service", "status", "body"),
    [
        (Service.ROSSUM, 404, {"detail": "Not found.", "code": "not_found"}),
        (Service.ROSSUM, 418, {"detail": "Error 418.", "code": "error"}),
        (Service.DIGITOO, 500, {"error_key": "server_error", "message": "Server error"}),
        (Service.DIGITOO, 418, {"error_key": "error_418", "message": "Error 418"}),
        (
            Service.DOCDIGITIZER,
            403,
            {
                "detail": "Access refused due to not enough permissions",
                "status": 403,
                "title": "Not enough permissions",
                "code": "NOT_ENOUGH_PERMISSIONS",
            },
        ),
        (
            Service.DOCDIGITIZER,
            429,
            {"detail": "Error 429", "status": 429, "title": "Status 429", "code": "STATUS_429"},
        ),
    ],
)
def test_error_body(service, status, body):
    """Each service has its own shape, for statuses it does not name too."""
    assert error_body(service, status) == body


def test_rate_limit_points_to_the_guide():
    """Rossum's 429 holds a link."""
    assert error_body(Service.ROSSUM, 429)["url"].endswith("#rate-limiting")


def test_reply_is_compact_json():
    """An answer is JSON with its type."""
    answer = reply({"a": "č"}, 202)
    assert (answer.body, answer.media_type) == (b'{"a":"\\u010d"}', "application/json")
