"""Every error that a caller meets, of `naiad.Client` as of `naiad.Server`; `NaiadError` is the base of all.

Each has a `message` for people, a stable `code` for programs and a `detail` with the values involved. The tree with its
codes stands in docs/reference/errors.md.
"""

from naiad.client.errors import Unreachable
from naiad.core.errors import (
    AlreadyExists,
    Cancelled,
    DeadlineExceeded,
    DownloadFailed,
    Exhausted,
    Failed,
    GateFailed,
    HookFailed,
    InvalidConfiguration,
    InvalidRequest,
    LoadFailed,
    MalformedBody,
    ModelFailed,
    NaiadError,
    NotFound,
    NotReady,
    Overloaded,
    Rescheduled,
    Unsupported,
)

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "DeadlineExceeded",
    "DownloadFailed",
    "Exhausted",
    "Failed",
    "GateFailed",
    "HookFailed",
    "InvalidConfiguration",
    "InvalidRequest",
    "LoadFailed",
    "MalformedBody",
    "ModelFailed",
    "NaiadError",
    "NotFound",
    "NotReady",
    "Overloaded",
    "Rescheduled",
    "Unreachable",
    "Unsupported",
]
