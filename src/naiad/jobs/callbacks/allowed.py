"""Whom callbacks may go to: hosts that the operator has named, at addresses of the public internet or named ones.

A client chooses the URL, and the server stands in a network that the client may not reach; hence all of this (OWASP,
"Server Side Request Forgery Prevention"). The name is resolved once, and the connection goes to the address that was
checked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from naiad.core.errors import InvalidConfiguration, InvalidRequest

_PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 2048

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses seen through a NAT64 (RFC 6052), whatever they are."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a callback goes."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query."""

    @property
    def host_header(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Rule:
    host: str
    """A name, *.DOMAIN, or the text of an address; empty: a network."""
    port: int
    """0: that of the scheme."""
    network: Network | None

    def takes(self, target: Target) -> bool:
        if target.port != (self.port or _PORTS[target.scheme]):
            return False
        if self.network is not None:
            literal = _address(target.host)
            return literal is not None and literal in self.network
        if self.host.startswith("*."):
            return target.host.endswith(self.host[1:]) and len(target.host) > len(self.host) - 1
        return target.host == self.host


class Allowed:
    """The operator's list."""

    def __init__(self, values: Iterable[str]) -> None:
        """values: of `--jobs-callback-host`. Raises InvalidConfiguration."""
        self._rules = [_rule(value) for value in values]

    def target(self, url: str) -> Target:
        """Read a URL. Raises InvalidRequest for one that is none, or that callbacks may not go to."""
        if not self._rules:
            raise InvalidRequest("this server makes no callbacks; the operator allows them with --jobs-callback-host")
        target = _target(url)
        if not any(rule.takes(target) for rule in self._rules):
            raise InvalidRequest(
                f"callbacks to {target.host_header} are not allowed by --jobs-callback-host of this server"
            )
        return target

    def choose(self, addresses: Sequence[str]) -> str:
        """Return an address that may be connected to. Raises InvalidRequest if there is none."""
        for text in addresses:
            address = _address(text)
            if address is not None and (_is_public(address) or self._is_named(address)):
                return text
        raise InvalidRequest(
            f"its address {', '.join(addresses) or 'is unknown, which'} is not public, and not named by "
            "--jobs-callback-host"
        )

    def _is_named(self, address: Address) -> bool:
        return any(rule.network is not None and address in rule.network for rule in self._rules)


def _rule(value: str) -> _Rule:
    host, port = value.strip().lower(), 0
    wrong = InvalidConfiguration(
        f"--jobs-callback-host '{value}' is not NAME[:PORT], *.DOMAIN[:PORT], ADDRESS[:PORT] or NETWORK/BITS"
    )
    network = _network(host)
    if network is None:
        head, colon, tail = host.rpartition(":")
        if colon:
            if not (tail.isascii() and tail.isdigit() and 0 < int(tail[:6]) < 65_536):
                raise wrong
            host, port = head, int(tail)
        network = _network(host.strip("[]") if host.startswith("[") else host)
    name = host.removeprefix("*.")
    if network is None and not (
        name and name.isascii() and name.replace("-", "").replace(".", "").replace("_", "").isalnum()
    ):
        raise wrong
    return _Rule("" if network is not None else host, port, network)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _target(url: str) -> Target:
    if len(url) > _LONGEST_URL or not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise InvalidRequest(f"a callback must be a URL of printable ASCII, at most {_LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise InvalidRequest(f"the callback is no URL: {error}") from error
    if parts.scheme not in _PORTS or not host or port == 0:
        raise InvalidRequest("a callback must be a URL that begins with http:// or https://")
    if "@" in parts.netloc:
        raise InvalidRequest("a callback must be a URL without a user and a password")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address in _TRANSLATED or address.sixtofour or address.teredo):
        return False
    return address.is_global and not address.is_multicast
