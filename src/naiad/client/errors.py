"""From what a server or the network said to one of our errors.

The server's table (`naiad.protocol.status`) goes from class to status; this is the way back. Naiad names the error's
code in the body, and then the way back is exact. Triton does not, and several of its errors share a status: the words
of the message decide between them.
"""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from naiad.core import errors
from naiad.protocol.status import TABLE


class Unreachable(errors.NotReady):
    """No server answers at the address, or the connection broke before the answer arrived."""

    code = "unreachable"


BY_CODE: dict[str, type[errors.NaiadError]] = {cls.code: cls for cls in TABLE}

BY_STATUS: dict[int, type[errors.NaiadError]] = {
    404: errors.NotFound,
    405: errors.Unsupported,
    408: errors.DeadlineExceeded,
    429: errors.Overloaded,
    500: errors.Failed,
    501: errors.Unsupported,
    502: errors.NotReady,
    503: errors.NotReady,
    504: errors.DeadlineExceeded,
}
"""The widest class for each status; other 4xx are InvalidRequest, everything else is Failed."""

BY_WORDS: tuple[tuple[int, re.Pattern[str], type[errors.NaiadError]], ...] = (
    (400, re.compile(r"unknown model|is not available", re.IGNORECASE), errors.NotFound),
    (400, re.compile(r"not ready", re.IGNORECASE), errors.NotReady),
    (400, re.compile(r"^load failed", re.IGNORECASE), errors.LoadFailed),
    (400, re.compile(r"cancel", re.IGNORECASE), errors.Cancelled),
    (500, re.compile(r"parse", re.IGNORECASE), errors.MalformedBody),
    (500, re.compile(r"failed to load", re.IGNORECASE), errors.LoadFailed),
    (503, re.compile(r"would wait (in|for) this", re.IGNORECASE), errors.Exhausted),
    (503, re.compile(r"queue size|queue is full", re.IGNORECASE), errors.Overloaded),
    (503, re.compile(r"time(out| is over)", re.IGNORECASE), errors.DeadlineExceeded),
)
"""(status, words of Triton's message, class), the first that fits counts."""


def from_answer(status: int, body: bytes, address: str) -> errors.NaiadError:
    """Make the error for an answer that is no success; `detail` holds the HTTP status and the address."""
    message, code = _read(body)
    detail: dict[str, object] = {"http_status": status, "address": address}
    if code in BY_CODE:
        return BY_CODE[code](message, **detail)
    if not message:
        message = f"the server at {address} answered with HTTP status {status} and no explanation"
    return _class_of(status, message)(message, **detail)


def _read(body: bytes) -> tuple[str, str]:
    """The sentence and the code of an error body; a body that is no JSON is the sentence itself."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:2000].decode(errors="replace").strip(), ""
    if not isinstance(document, dict):
        return str(document)[:2000], ""
    return str(document.get("error", "")), str(document.get("code", ""))


def _class_of(status: int, message: str) -> type[errors.NaiadError]:
    for wanted, words, cls in BY_WORDS:
        if wanted == status and words.search(message):
            return cls
    return BY_STATUS.get(status, errors.InvalidRequest if 400 <= status < 500 else errors.Failed)


@contextmanager
def translated(address: str, timeout_s: float) -> Iterator[None]:
    """Turn what httpx2, or the standard library, raises into our errors, most specific first."""
    import httpx2

    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise Unreachable(
            f"could not connect to {address} within {timeout_s:g} s. Is the address right, and does a firewall stand "
            "in between?",
            address=address,
        ) from error
    except httpx2.PoolTimeout as error:
        raise errors.Overloaded(
            f"all connections to {address} were busy for {timeout_s:g} s; allow more with connections=…, or a longer "
            "timeout_s",
            address=address,
        ) from error
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise errors.DeadlineExceeded(
            f"no answer from {address} within {timeout_s:g} s; allow more with timeout_s=…", address=address
        ) from error
    except (httpx2.ConnectError, ConnectionRefusedError, socket.gaierror) as error:
        raise Unreachable(_not_connected(address, error), address=address) from error
    except (httpx2.RequestError, OSError, http.client.HTTPException) as error:
        raise Unreachable(
            f"the connection to {address} broke before the answer arrived ({error or type(error).__name__}). Is this "
            "the HTTP port of an inference server, and is it still running?",
            address=address,
        ) from error


def _not_connected(address: str, error: Exception) -> str:
    if "SSL" in str(error) or "certificate" in str(error):
        return (
            f"no secure connection to {address} ({error}). Is it an https port, and is its certificate trusted "
            "(tls=… takes a context that trusts it)?"
        )
    return f"no server answers at {address} ({error}). Is it running (naiad serve …), and is this its HTTP port?"
