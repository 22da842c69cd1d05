"""A posted job: what of it is kept, and whether it can be run at all; what cannot be is refused at once.

Headers: `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header): the same key means the same job.
`Job-Callback`: a URL that is told of the end.
"""

from __future__ import annotations

from typing import NoReturn

from naiad.core.errors import InvalidRequest, Unsupported
from naiad.core.message import InferRequest
from naiad.jobs.job import GENERATE, JobRequest
from naiad.protocol import generate
from naiad.protocol.json.pieces import parse_long_json
from naiad.protocol.limits import Limits
from naiad.serving.model import ServedModel
from naiad.wire.forwarding import Forwarding
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.infer import InferHandler
from naiad.wire.http.jobs.exchange import headers_of

_KEPT = (b"inference-header-content-length", b"content-encoding")
"""Headers that have a meaning for the body."""

_LONGEST_KEY = 255


class _NoMemory:
    """A ClientMemory that refuses: when a job runs, the client and its memory may be gone."""

    def check_allowed(self) -> NoReturn:
        """Raise Unsupported."""
        raise Unsupported("a job cannot use shared memory, which may be gone when it runs; send tensors in the request")

    def read(self, region: str, offset: int, byte_size: int) -> NoReturn:  # noqa: ARG002 - the same for all
        """Raise Unsupported."""
        self.check_allowed()

    def reserve(self, region: str, offset: int, byte_size: int) -> NoReturn:  # noqa: ARG002 - the same for all
        """Raise Unsupported."""
        self.check_allowed()


_NO_MEMORY = _NoMemory()


def read_request(exchange: Exchange, model: str, version: str, form: str, forwarding: Forwarding | None) -> JobRequest:
    """Return what is kept of a posted job. Raises InvalidRequest for headers that cannot be taken."""
    headers = {name.decode(): exchange.headers[name].decode("latin-1") for name in _KEPT if name in exchange.headers}
    if form == GENERATE and headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise InvalidRequest("Unsupported content-encoding, only 'identity' is supported.")
    if forwarding is not None:
        chosen = forwarding.chosen(exchange.headers)
        headers |= {name.decode("latin-1"): value.decode("latin-1") for name, value in chosen.items()}
    callback = exchange.headers.get(b"job-callback", b"").decode("latin-1").strip()
    return JobRequest(model, version, form, exchange.body, headers, callback, _key(exchange))


def _key(exchange: Exchange) -> str:
    raw = exchange.headers.get(b"idempotency-key")
    if raw is None:
        return ""
    key = raw.decode("latin-1").strip()
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= _LONGEST_KEY):
        raise InvalidRequest(f"Idempotency-Key must have 1 to {_LONGEST_KEY} characters of printable ASCII")
    return key


def check_request(handler: InferHandler, request: JobRequest, served: ServedModel, limits: Limits) -> None:
    """Read the body as it is read when the job runs; for a thread. Raises what decoding raises, Unsupported."""
    decoded: InferRequest
    if request.form == GENERATE:
        decoded = generate.decode(served.config, request.version, request.body, limits, parse_long_json)
    else:
        exchange = Exchange(lambda: None)
        exchange.headers, exchange.body = headers_of(request.headers), request.body
        decoded, _ = handler.read_long(exchange, served, request.version, _NO_MEMORY)
    if decoded.sequence is not None:
        raise Unsupported("a job cannot be a step of a sequence: jobs run in any order, and maybe more than once")
