"""One POST to a URL that a client chose: to an address that was checked, no redirect followed, all of it in time."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import ssl
import time
from hashlib import sha256

from naiad import __version__
from naiad.core.errors import InvalidRequest
from naiad.jobs.callbacks.allowed import Allowed, Target

_LIMIT_S = 10.0
"""For all of it."""
_LINE_BYTES = 4096


class NotTold(Exception):
    """The callback did not arrive; the message says why."""


def signature(key: str, at_s: int, body: bytes) -> str:
    """Return the value of `Naiad-Signature`: when it was made, and HMAC-SHA256 of "SECONDS.BODY"."""
    made = hmac.new(key.encode(), b"%d.%b" % (at_s, body), sha256).hexdigest()
    return f"t={at_s},v1={made}"


async def post(allowed: Allowed, url: str, body: bytes, key: str) -> None:
    """Send JSON to a URL. Raises NotTold unless the answer is 2xx."""
    try:
        target = allowed.target(url)  # the list may be another one than when the job was taken
        async with asyncio.timeout(_LIMIT_S):
            status = await _post(target, await _resolve(allowed, target), body, key)
    except InvalidRequest as error:
        raise NotTold(error.message) from error
    except TimeoutError as error:
        raise NotTold(f"no answer within {_LIMIT_S:g} s") from error
    except (OSError, asyncio.LimitOverrunError, ValueError) as error:
        raise NotTold(str(error) or type(error).__name__) from error
    if not 200 <= status < 300:
        raise NotTold(f"it answered {status}" + ("; redirects are not followed" if 300 <= status < 400 else ""))


async def _resolve(allowed: Allowed, target: Target) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return allowed.choose([str(address[0]) for *_, address in found])


async def _post(target: Target, address: str, body: bytes, key: str) -> int:
    tls = ssl.create_default_context() if target.scheme == "https" else None
    reader, writer = await asyncio.open_connection(
        address, target.port, ssl=tls, server_hostname=target.host if tls else None, limit=_LINE_BYTES
    )
    try:
        lines = [
            f"POST {target.path} HTTP/1.1",
            f"Host: {target.host_header}",
            f"User-Agent: naiad/{__version__}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        if key:
            lines.append(f"Naiad-Signature: {signature(key, int(time.time()), body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        words = (await reader.readuntil(b"\n")).split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise NotTold("what answers speaks no HTTP")
        return int(words[1])
    except asyncio.IncompleteReadError as error:
        raise NotTold("the connection was closed before an answer came") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.transport.abort()
