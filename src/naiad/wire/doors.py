"""The doors of a server, opened and closed together; each can be left shut. A new kind is a new row of `DOORS`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from naiad.core.errors import NaiadError
from naiad.core.settings.config import ServerSettings
from naiad.wire.door import Door, DoorNeeds, MakeDoor
from naiad.wire.grpc.door import grpc_door
from naiad.wire.http.door import http_door, metrics_door
from naiad.wire.listening import address
from naiad.wire.services import Services

_log = logging.getLogger("naiad.wire")

DOORS: dict[str, MakeDoor] = {"grpc": grpc_door, "http": http_door, "metrics": metrics_door}
"""By name, in the order in which Triton opens them."""


class Doors:
    """Everything of one server that listens."""

    def __init__(self, services: Services, settings: ServerSettings, render_metrics: Callable[[], bytes]) -> None:
        """Read what the doors need. Raises InvalidConfiguration for restrictions and files that cannot be used."""
        needs = DoorNeeds(services, settings, render_metrics)
        self._doors = {name: make(needs) for name, make in DOORS.items()}

    def __getitem__(self, name: str) -> Door:
        """The door of that name."""
        return self._doors[name]

    @property
    def http(self) -> Door:
        """The door of v2 over HTTP."""
        return self["http"]

    @property
    def grpc(self) -> Door:
        """The door of v2 over gRPC."""
        return self["grpc"]

    @property
    def metrics(self) -> Door:
        """The door of the metrics page."""
        return self["metrics"]

    @property
    def allowed(self) -> tuple[Door, ...]:
        """The doors that are not left shut."""
        return tuple(door for door in self._doors.values() if door.settings.allow)

    async def open(self) -> None:
        """Listen. Raises InvalidConfiguration for an address that is taken."""
        try:
            for door in self.allowed:
                await door.open()
        except NaiadError:
            await self.close()
            raise
        for door in self.allowed:
            for host in door.settings.hosts:
                _log.info("Started %s at %s", door.service, address(host, door.listener.port))

    async def stop_accepting(self) -> None:
        """Take no new connections; clients are told that those they have will take no more requests."""
        listeners = [door.listener for door in self._taking_requests()]
        await asyncio.gather(*(listener.stop_accepting() for listener in listeners))
        await asyncio.gather(*(listener.wait_told() for listener in listeners))

    async def finish(self) -> None:
        """Return when every connection has sent what it owed; for a server whose requests are all answered."""
        doors = self._taking_requests()
        for door in doors:
            door.on_finish()
            door.listener.finish_connections()
        for door in doors:
            await door.listener.wait_closed()

    async def close(self) -> None:
        """Close everything at once."""
        for door in self._doors.values():
            await door.listener.close()

    def _taking_requests(self) -> list[Door]:
        return [door for door in self._doors.values() if door.takes_requests]
