"""What a door is: one port of a server, and what listens there. Which doors there are is the table in `doors.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from naiad.core.settings.config import ServerSettings
from naiad.core.settings.doors import DoorSettings
from naiad.wire.listening import address
from naiad.wire.services import Services


class Listener(Protocol):
    """Takes connections and turns what they send into requests; used on the event loop's thread."""

    port: int
    """The port in use, once open; chosen by the system when 0 was asked for."""

    async def open(self, hosts: Sequence[str], port: int, option: str, tls: Any, reuse_port: bool) -> None:
        """Listen. Raises InvalidConfiguration naming the option when the address cannot be had."""
        ...

    async def stop_accepting(self) -> None:
        """Take no new connections, but all that clients have made; tell clients to send no more requests on them."""
        ...

    async def wait_told(self) -> None:
        """Return when clients know, so that what was on its way has come; who does not hear holds nobody up."""
        ...

    def finish_connections(self) -> None:
        """Close every connection as soon as its answers are sent; all requests that have come whole are answered."""
        ...

    async def wait_closed(self) -> None:
        """Return when every connection has sent what it owed and is gone."""
        ...

    async def close(self) -> None:
        """Close everything at once."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """One port of a server and what listens there."""

    service: str
    """Its name in the log, which is Triton's; scripts wait for these lines."""
    scheme: str
    """What its URL begins with, and ends in an s with TLS."""
    port_flag: str
    """For messages."""
    settings: DoorSettings
    listener: Listener
    tls: Any = None
    """What the listener takes to encrypt."""
    takes_requests: bool = True
    """It closes when the server drains; one that only tells of the server stays open to the end."""
    on_finish: Callable[[], object] = lambda: None
    """Called when all requests are answered, before the connections are asked to go."""

    @property
    def address(self) -> str:
        """host:port of the first address, once open."""
        return address(self.settings.hosts[0], self.listener.port)

    @property
    def url(self) -> str:
        """The address with its scheme."""
        return f"{self.scheme}{'' if self.tls is None else 's'}://{self.address}"

    async def open(self) -> None:
        """Listen. Raises InvalidConfiguration for an address that is taken."""
        settings = self.settings
        await self.listener.open(settings.hosts, settings.port, self.port_flag, self.tls, settings.reuse_port)


@dataclass(frozen=True, slots=True)
class DoorNeeds:
    """What a door may be made of."""

    services: Services
    settings: ServerSettings
    render_metrics: Callable[[], bytes]


MakeDoor = Callable[[DoorNeeds], Door]
"""Makes one door. Raises InvalidConfiguration for settings and files that cannot be used."""
