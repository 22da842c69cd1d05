"""Which handler a method and a path mean. Paths and their order are Triton's; matching is on the raw path, whole.

Results are remembered per request target, because clients repeat the same few.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

from naiad.core.settings.features import Feature
from naiad.observe.logs.control import LogControl
from naiad.wire.http.answering import internal_error
from naiad.wire.http.exchange import Exchange
from naiad.wire.http.origins import path_of, preflight_lines
from naiad.wire.http.request_log import note_request
from naiad.wire.restrictions import Gate, Password

Handler = Callable[..., None]
"""handler(exchange, **path parameters)."""

_REMEMBERED = 1024
_LONGEST_REMEMBERED_BYTES = 512
"""Together half a MiB at most; a client that invents targets costs the others a new matching now and then."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path pattern and its handlers by method."""

    pattern: re.Pattern[str]
    """Matches the whole path; named groups become the handler's arguments."""
    feature: Feature
    methods: dict[bytes, Handler]


def route(pattern: str, feature: Feature, **methods: Handler) -> Route:
    """Make a route: `route(r"/v2", Feature.METADATA, GET=handler)`."""
    return Route(re.compile(pattern), feature, {name.encode(): handler for name, handler in methods.items()})


class Router:
    """Finds and calls the handler of an exchange."""

    def __init__(
        self,
        routes: Sequence[Route],
        gate: Gate | None = None,
        logs: LogControl | None = None,
        otherwise: Handler | None = None,
    ) -> None:
        """otherwise: takes what no route does; default: it is not found."""
        self.routes = tuple(routes)
        self._otherwise = otherwise or not_found
        self._logs = logs or LogControl()
        self._gate = gate or Gate()
        self._found: dict[tuple[bytes, bytes], tuple[Handler, dict[str, str]]] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Answer 404 and 405 itself, pass everything else on."""
        key = (exchange.method, exchange.url)
        found = self._found.get(key)
        if found is None:
            found = self._match(exchange.method, exchange.url)
            self._remember(key, found)
        handler, arguments = found
        if self._logs.is_verbose:
            note_request(exchange)
        try:
            handler(exchange, **arguments)
        except Exception:  # noqa: BLE001 — whatever happens, who asked is answered and the connection lives on
            internal_error(exchange)

    def _remember(self, key: tuple[bytes, bytes], found: tuple[Handler, dict[str, str]]) -> None:
        if len(key[1]) > _LONGEST_REMEMBERED_BYTES:
            return
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        self._found[key] = found

    def _match(self, method: bytes, url: bytes) -> tuple[Handler, dict[str, str]]:
        path = path_of(url).decode("latin-1")
        for candidate in self.routes:
            match = candidate.pattern.fullmatch(path)
            if match is not None:
                handler = self._guarded(candidate, candidate.methods.get(method))
                if method == b"OPTIONS":  # asked before the restricted header is sent, if it may be
                    handler = partial(preflight, methods=b", ".join(candidate.methods), handler=handler)
                return handler, _arguments(match)
        return self._otherwise, {}

    def _guarded(self, candidate: Route, handler: Handler | None) -> Handler:
        """Restriction first, then method, as Triton has it; what is not restricted costs nothing."""
        if handler is None:
            handler = partial(method_not_allowed, allowed=b", ".join(candidate.methods))
        password = self._gate.password_of(candidate.feature)
        return handler if password is None else partial(restricted, password=password, handler=handler)


def restricted(exchange: Exchange, password: Password, handler: Handler, **arguments: str) -> None:
    """Answer 403 to who lacks the agreed header, pass the others on."""
    if password.is_in(exchange.headers.get(password.header.encode())):
        handler(exchange, **arguments)
    else:
        exchange.fail(403, f"This API is restricted, expecting header '{password.shown}'")


def preflight(exchange: Exchange, methods: bytes, handler: Handler, **arguments: str) -> None:
    """Answer the question whether a page of an allowed origin may send a request; pass everything else on."""
    if exchange.answer_lines and b"access-control-request-method" in exchange.headers:
        exchange.answer(200, headers=preflight_lines(exchange.headers, methods))
    else:
        handler(exchange, **arguments)


def _arguments(match: re.Match[str]) -> dict[str, str]:
    # Names are matched undecoded, as Triton does, and decoded afterwards so that any model name can be addressed.
    return {name: unquote(value) for name, value in match.groupdict().items() if value is not None}


def not_found(exchange: Exchange) -> None:
    """Answer 404."""
    exchange.fail(404, "Not Found")


def method_not_allowed(exchange: Exchange, allowed: bytes, **arguments: str) -> None:
    """Answer 405."""
    del arguments
    exchange.fail(405, "Method Not Allowed", b"Allow: %b\r\n" % allowed)
