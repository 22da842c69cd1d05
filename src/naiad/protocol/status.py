"""The one table from error class to HTTP and gRPC status.

Source: Triton's `HttpCodeFromError` and its gRPC twin. A body that cannot be parsed is 500 there, so it
is here: clients compare.
"""

from __future__ import annotations

from naiad.core import errors

TABLE: dict[type[errors.NaiadError], tuple[int, str]] = {
    errors.NaiadError: (500, "INTERNAL"),
    errors.InvalidRequest: (400, "INVALID_ARGUMENT"),
    errors.MalformedBody: (500, "INTERNAL"),
    errors.Unsupported: (501, "UNIMPLEMENTED"),
    errors.AlreadyExists: (400, "ALREADY_EXISTS"),
    errors.InvalidConfiguration: (400, "INVALID_ARGUMENT"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.NotReady: (503, "UNAVAILABLE"),
    errors.Overloaded: (503, "UNAVAILABLE"),
    errors.Exhausted: (503, "RESOURCE_EXHAUSTED"),
    errors.Failed: (500, "INTERNAL"),
    errors.ModelFailed: (500, "INTERNAL"),
    errors.HookFailed: (500, "INTERNAL"),
    errors.Rescheduled: (400, "INVALID_ARGUMENT"),
    errors.LoadFailed: (400, "INVALID_ARGUMENT"),
    errors.GateFailed: (400, "INVALID_ARGUMENT"),
    errors.DownloadFailed: (500, "INTERNAL"),
    errors.Cancelled: (400, "CANCELLED"),
    errors.DeadlineExceeded: (503, "UNAVAILABLE"),
}


def http_status(error: errors.NaiadError) -> int:
    """Return the HTTP status of an error, by its nearest class in the table."""
    return _row(error)[0]


def grpc_status(error: errors.NaiadError) -> str:
    """Return the name of the gRPC status of an error, by its nearest class in the table."""
    return _row(error)[1]


def _row(error: errors.NaiadError) -> tuple[int, str]:
    for cls in type(error).__mro__:
        if cls in TABLE:
            return TABLE[cls]
    return TABLE[errors.NaiadError]
