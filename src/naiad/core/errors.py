"""Every error that Naiad raises on purpose.

One tree, so that a caller can catch as widely or as narrowly as it likes:

    NaiadError
    ├── InvalidRequest              the caller's bytes or values are wrong
    │   ├── MalformedBody           they cannot be parsed at all
    │   ├── Unsupported             right, but not something this server does
    │   ├── AlreadyExists
    │   └── InvalidConfiguration    a manifest, lock, config.pbtxt, source or option is wrong
    ├── NotFound                    no such model, version, region, file
    ├── NotReady                    known, but not able to answer now
    ├── Overloaded                  a queue is full
    │   └── Exhausted               what waits would take too much memory
    ├── Failed                      our fault, or the model's
    │   ├── ModelFailed             the model raised while it ran
    │   │   └── HookFailed          a hook of an endpoint's `Preprocess` raised
    │   ├── Rescheduled             the model wants the request to be run again
    │   ├── LoadFailed              the model could not be loaded
    │   │   └── GateFailed          a converted model does not answer as the original does
    │   └── DownloadFailed          the source could not be reached or gave wrong bytes
    ├── Cancelled                   the caller went away
    └── DeadlineExceeded            the caller's deadline has passed

Raising sites pass values; the sentence says what is wrong and how to mend it. Status codes do not live here: the table
from error class to HTTP and gRPC status is `naiad.protocol.status`.
"""

from __future__ import annotations

from typing import ClassVar

RESCHEDULED = (
    "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not configured to handle "
    "such a flag."
)
"""Triton's words."""


class NaiadError(Exception):
    """Base of the tree, with a sentence for people, a stable code for programs and the values involved."""

    code: ClassVar[str] = "error"
    """Stable, kebab-case; documented in docs/reference/errors.md."""

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class InvalidRequest(NaiadError):
    """The caller's request is wrong; sending it again unchanged cannot help."""

    code = "invalid-request"


class MalformedBody(InvalidRequest):
    """The body cannot be parsed, or its data does not fill its shape."""

    code = "malformed-body"


class Unsupported(InvalidRequest):
    """The request is well-formed, but this server or model does not support it."""

    code = "unsupported"


class AlreadyExists(InvalidRequest):
    """The name is taken."""

    code = "already-exists"


class InvalidConfiguration(InvalidRequest):
    """A manifest, lock file, model config, source reference or command-line option is wrong."""

    code = "invalid-configuration"


class NotFound(NaiadError):
    """There is no such thing."""

    code = "not-found"


class NotReady(NaiadError):
    """The thing exists but cannot answer now: loading, unloading, draining or failed."""

    code = "not-ready"


class Overloaded(NaiadError):
    """A bounded queue is full."""

    code = "overloaded"


class Exhausted(Overloaded):
    """Requests and answers that wait would take more memory than they may."""

    code = "exhausted"


class Failed(NaiadError):
    """Something went wrong on the server's side."""

    code = "failed"


class ModelFailed(Failed):
    """The model raised an error while running."""

    code = "model-failed"


class HookFailed(ModelFailed):
    """A hook of an endpoint's `Preprocess` raised, or returned what JSON cannot hold."""

    code = "hook-failed"


class Rescheduled(Failed):
    """The model gave the request back to be run again, which only a model of iterative sequences can.

    An instance returns, or sends, one in place of a result; where the model is configured for it, no caller sees it.
    """

    code = "rescheduled"

    def __init__(self, message: str = RESCHEDULED, **detail: object) -> None:
        super().__init__(message, **detail)


class LoadFailed(Failed):
    """The model could not be loaded."""

    code = "load-failed"


class GateFailed(LoadFailed):
    """A converted model does not answer as the original does."""

    code = "gate-failed"


class DownloadFailed(Failed):
    """A source could not be reached, or what came from it is incomplete or corrupt."""

    code = "download-failed"


class Cancelled(NaiadError):
    """The caller cancelled the request or closed the connection."""

    code = "cancelled"


class DeadlineExceeded(NaiadError):
    """The deadline passed before there was an answer."""

    code = "deadline-exceeded"
