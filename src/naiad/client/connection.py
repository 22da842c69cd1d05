"""Where a client connects to, and with what; shared by the two clients."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from naiad import __version__
from naiad.client.calls import HEADER_LENGTH, Reply
from naiad.core.errors import InvalidConfiguration

if TYPE_CHECKING:
    import httpx2

DEFAULT_ADDRESS = "localhost:8000"


@dataclass(frozen=True, slots=True)
class Connection:
    """What both clients take."""

    address: str = DEFAULT_ADDRESS
    """host:port, or a whole URL; https:// for TLS."""
    timeout_s: float = 60.0
    """Longest silence of the server that is put up with, for each call that says nothing else."""
    connections: int = 100
    """Most connections open at a time; a call beyond waits for one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every call: an access token, a tracing header."""
    tls: ssl.SSLContext | bool = True
    """https:// only: whether the server's certificate is checked, or the context that says how."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_right = False
        if not is_right or parts.query or parts.fragment or parts.username:
            raise InvalidConfiguration(
                f"'{self.address}' is not the address of a server; give host:port, http://host:port or https://host:port",
                address=self.address,
            )
        if not self.timeout_s > 0 or self.connections < 1:
            raise InvalidConfiguration(
                f"timeout_s ({self.timeout_s}) and connections ({self.connections}) must be more than 0"
            )

    @property
    def url(self) -> str:
        """The address as a URL, without a slash at the end."""
        address = self.address if "://" in self.address else f"http://{self.address}"
        return address.rstrip("/")

    def limit_s(self, timeout_s: float | None) -> float:
        """The time limit of one call: its own, or that of the client. Raises InvalidConfiguration."""
        if timeout_s is None:
            return self.timeout_s
        if not timeout_s > 0:
            raise InvalidConfiguration(f"timeout_s ({timeout_s}) must be more than 0")
        return timeout_s

    def reply(self, response: httpx2.Response) -> Reply:
        """What came back, as `calls.py` reads it."""
        return Reply(self.url, response.status_code, response.content, response.headers.get(HEADER_LENGTH))

    def http_options(self) -> dict[str, Any]:
        """Arguments for a client of httpx2.

        Answers are not compressed unless a header asks for it: on a fast network that only costs time. Proxies and
        .netrc of the environment are left alone, as with Triton's own clients.
        """
        import httpx2

        return {
            "base_url": self.url,
            "timeout": httpx2.Timeout(self.timeout_s),
            "limits": httpx2.Limits(max_connections=self.connections, max_keepalive_connections=self.connections),
            "headers": {"User-Agent": f"naiad/{__version__}", "Accept-Encoding": "identity"} | dict(self.headers),
            "verify": self.tls if self.url.startswith("https") else False,
            "trust_env": False,
        }
