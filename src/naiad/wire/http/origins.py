"""Requests of web pages: only this server's own pages, and those of allowed origins, may send any.

A browser lets every page send requests to every address, a server on its user's own machine included. After DNS
rebinding, when a name of the page's own has been pointed at the server, it lets the page read the answers, too. What a
browser sends for a page says so in `Origin` or `Sec-Fetch-Site`, which no page can leave out (Fetch, "Origin header";
Fetch Metadata Request Headers). So a request that has either must come from where it may, and must call the server by a
name that is known to be the server's. A request without them comes from a program, and may call it as it likes.

Not covered: over plain HTTP browsers send neither with GET to a name that they take for the page's own, so a rebound
name can still read what GET answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from naiad.core.errors import InvalidConfiguration

_ALL = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\],]+)(?::[0-9]{1,5})?")
_PAGES_OWN = (b"same-origin", b"none")
"""Values of Sec-Fetch-Site: a page of this server, or the user, in the address bar."""

_SHOWN = 200
"""Characters of what a browser sent that are repeated in an error."""

_OPTION = "--http-allowed-origin"


class Origins:
    """Which web pages may use one door, and by which names they may call it."""

    def __init__(self, allowed: Iterable[str] = (), hosts: Iterable[str] = (), below: str = "") -> None:
        """allowed: origins, `scheme://host[:port]`, or `*` for all. hosts: names of this server, without ports.

        below: the path below which requests are judged; others are a web application's, which judges for itself. Empty:
        all are judged. The hosts of allowed origins are names of this server, too. Raises InvalidConfiguration for what
        is no origin.
        """
        origins = [_checked(text) for text in allowed]
        self._below = below.encode()
        self._allows_all = _ALL in origins
        self._allowed = frozenset(origin.encode() for origin in origins)
        named = (urlsplit(origin).hostname or "" for origin in origins if origin != _ALL)
        self._hosts = frozenset(name.lower().rstrip(".") for name in ("localhost", *hosts, *named))

    def judges(self, target: bytes) -> bool:
        """Whether a request to this target is one to be judged. target: as sent."""
        return not self._below or path_of(target).startswith(self._below)

    def refusal(self, headers: Mapping[bytes, bytes]) -> str:
        """Return why a request with `Origin` or `Sec-Fetch-Site` is refused; empty if it is not."""
        if self._allows_all:
            return ""
        host = headers.get(b"host", b"")
        if not self._knows(host):
            return (
                f"web pages may not call this server '{_shown(host)}', which is neither an address nor a name that it "
                f"knows. Use {_OPTION} http://{_shown(host)} to allow it."
            )
        origin = headers.get(b"origin")
        if origin is None:
            if headers[b"sec-fetch-site"] in _PAGES_OWN:
                return ""
            return f"web pages of other origins may not use this server. Use {_OPTION} to allow some."
        if origin in self._allowed or _is_own(origin, host):
            return ""
        return f"web pages of '{_shown(origin)}' may not use this server. Use {_OPTION} {_shown(origin)} to allow them."

    def answer_lines(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Return the header lines by which an answer lets the page of an allowed origin read it; none for others."""
        origin = headers.get(b"origin")
        if origin is None or not (self._allows_all or origin in self._allowed):
            return b""
        return (
            b"Access-Control-Allow-Origin: %b\r\nVary: Origin\r\n"
            b"Access-Control-Expose-Headers: Inference-Header-Content-Length, Retry-After\r\n" % origin
        )

    def _knows(self, host: bytes) -> bool:
        name = host.decode("latin-1").lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")
        return name in self._hosts or name.endswith(".localhost") or _is_address(name)


def preflight_lines(headers: Mapping[bytes, bytes], methods: bytes) -> bytes:
    """Return the header lines that let a page send what it asks for (Fetch, "CORS-preflight request")."""
    lines = b"Access-Control-Allow-Methods: %b\r\nAccess-Control-Max-Age: 600\r\n" % methods
    wanted = headers.get(b"access-control-request-headers")
    return lines + (b"Access-Control-Allow-Headers: %b\r\n" % wanted if wanted else b"")


def path_of(target: bytes) -> bytes:
    """Return the path of a request's target, as it was sent."""
    path = target.partition(b"?")[0]
    if path.startswith(b"/"):
        return path
    return b"/" + path.partition(b"://")[2].partition(b"/")[2]  # RFC 9112, 3.2.2: a server takes the absolute form too


def _is_own(origin: bytes, host: bytes) -> bool:
    """Whether the page is this server's: both name host and port, which browsers leave out alike."""
    scheme, _, authority = origin.lower().partition(b"://")
    return scheme in (b"http", b"https") and authority == host.lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _checked(text: str) -> str:
    origin = text.strip().lower()
    if origin != _ALL and not _ORIGIN.fullmatch(origin):
        raise InvalidConfiguration(f"{_OPTION}: '{text}' is not an origin such as https://app.example:3000, nor *")
    return origin


def _shown(value: bytes) -> str:
    return value[:_SHOWN].decode("latin-1")
